//! What the Authorization header says: access key, region, date. The signature is not verified.

use hyper::HeaderMap;

use crate::core::CallContext;
use crate::core::signature::parse_date;

/// The region of a request that is not signed.
const DEFAULT_REGION: &str = "us-east-1";

/// Reads `Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`.
pub(crate) fn context(headers: &HeaderMap) -> CallContext {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let credential = text("authorization")
        .and_then(|value| value.split_once("Credential="))
        .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or(rest));
    let mut parts = credential.unwrap_or_default().split('/');
    let key = parts.next().unwrap_or_default();
    let region = parts.nth(1).filter(|region| !region.is_empty());
    let mut ctx = CallContext::new(key, region.unwrap_or(DEFAULT_REGION));
    ctx.signed_at = text("x-amz-date").and_then(parse_date);
    ctx.in_process = false;
    ctx
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn twelve_digits_are_an_account() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=210987654321/20260101/eu-west-1/elasticache/aws4_request, SignedHeaders=host"
                .parse()
                .unwrap(),
        );
        let ctx = context(&headers);
        assert_eq!(
            (ctx.account.as_str(), ctx.region.as_str()),
            ("210987654321", "eu-west-1")
        );
        assert_eq!(context(&HeaderMap::new()).account, "123456789012");
    }
}
