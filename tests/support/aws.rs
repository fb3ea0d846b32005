//! The AWS SDK as an operator uses it.

use aws_sdk_elasticache as elasticache;
use aws_sdk_secretsmanager as secretsmanager;

use super::world::REGION;

pub fn elasticache_client(url: &str) -> elasticache::Client {
    let config = elasticache::Config::builder()
        .behavior_version_latest()
        .region(elasticache::config::Region::new(REGION))
        .endpoint_url(url)
        .credentials_provider(elasticache::config::Credentials::new(
            "OPERATOR", "secret", None, None, "test",
        ));
    elasticache::Client::from_conf(config.build())
}

pub fn secrets_client(url: &str) -> secretsmanager::Client {
    let config = secretsmanager::Config::builder()
        .behavior_version_latest()
        .region(secretsmanager::config::Region::new(REGION))
        .endpoint_url(url)
        .credentials_provider(secretsmanager::config::Credentials::new(
            "OPERATOR", "secret", None, None, "test",
        ));
    secretsmanager::Client::from_conf(config.build())
}

/// What AWS answered to a call that failed, without the request.
pub trait CodeAndMessage {
    fn code_and_message(&self) -> String;
}

impl<E, R> CodeAndMessage for elasticache::error::SdkError<E, R>
where
    E: elasticache::error::ProvideErrorMetadata,
{
    fn code_and_message(&self) -> String {
        match self.as_service_error() {
            Some(error) => format!("{:?}: {:?}", error.code(), error.message()),
            None => "no answer".to_owned(),
        }
    }
}
