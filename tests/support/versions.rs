//! The versions of secrets: what is in them, and what others than rekeyd do to them.

use std::collections::BTreeMap;

use super::World;

/// The labels of a secret's versions, by version id.
pub type Labels = BTreeMap<String, Vec<String>>;

impl World {
    /// The labels of a secret's versions, those without labels included.
    pub async fn labels(&self, secret: &str) -> Labels {
        let listed = self
            .secrets
            .list_secret_version_ids()
            .secret_id(secret)
            .include_deprecated(true)
            .send()
            .await;
        let versions = listed.expect("versions").versions.unwrap_or_default();
        versions
            .into_iter()
            .map(|version| {
                (
                    version.version_id.unwrap_or_default(),
                    version.version_stages.unwrap_or_default(),
                )
            })
            .collect()
    }

    /// The version that carries a label.
    pub async fn holder(&self, secret: &str, label: &str) -> Option<String> {
        let labels = self.labels(secret).await;
        labels
            .into_iter()
            .find(|(_, stages)| stages.iter().any(|stage| stage == label))
            .map(|(id, _)| id)
    }

    /// The password under a label.
    pub async fn password(&self, secret: &str, label: &str) -> Option<String> {
        let value = self
            .secrets
            .get_secret_value()
            .secret_id(secret)
            .version_stage(label)
            .send()
            .await
            .ok()?;
        let document: serde_json::Value = serde_json::from_str(value.secret_string()?).ok()?;
        document["password"].as_str().map(str::to_owned)
    }

    /// The password of a version, whatever its labels.
    pub async fn version_password(&self, secret: &str, version: &str) -> String {
        let value = self
            .secrets
            .get_secret_value()
            .secret_id(secret)
            .version_id(version)
            .send()
            .await;
        let value = value.expect("a version").secret_string.expect("a text");
        let document: serde_json::Value = serde_json::from_str(&value).expect("a document");
        document["password"].as_str().expect("a password").to_owned()
    }

    /// Puts a version with these labels, or, without any, as AWS labels it then.
    pub async fn put_version(&self, secret: &str, version: &str, document: &str, labels: &[&str]) {
        let labels = labels.iter().map(|&label| label.to_owned()).collect::<Vec<_>>();
        self.secrets
            .put_secret_value()
            .secret_id(secret)
            .client_request_token(version)
            .secret_string(document)
            .set_version_stages((!labels.is_empty()).then_some(labels))
            .send()
            .await
            .expect("put");
    }

    pub async fn move_current(&self, secret: &str, from: &str, to: &str) {
        self.secrets
            .update_secret_version_stage()
            .secret_id(secret)
            .version_stage("AWSCURRENT")
            .remove_from_version_id(from)
            .move_to_version_id(to)
            .send()
            .await
            .expect("AWSCURRENT moved");
    }

    /// Takes AWSPENDING off the version that carries it.
    pub async fn remove_pending(&self, secret: &str) {
        let version = self.holder(secret, "AWSPENDING").await.expect("a pending version");
        self.secrets
            .update_secret_version_stage()
            .secret_id(secret)
            .version_stage("AWSPENDING")
            .remove_from_version_id(version)
            .send()
            .await
            .expect("AWSPENDING removed");
    }
}
