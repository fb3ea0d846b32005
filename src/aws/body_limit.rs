//! A bound on what is read of a reply. The SDK reads each reply whole into memory, however long it
//! is, and up to 64 secrets are driven at once.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::Limited;

/// The longest reply that is read, in bytes. A value has 64 KiB at most and a page of a listing a
/// hundred entries, the longest of which carry fifty tags of 384 characters: in characters of four
/// bytes 7.7 MB, and with a description of 2,048 characters each 8.6 MB.
const LONGEST_REPLY: usize = 16 * 1024 * 1024;

/// Ends the reading of a reply that is too long, which fails the call.
#[derive(Debug)]
pub(crate) struct BodyLimit;

#[dyn_dispatch_hint]
impl Intercept for BodyLimit {
    fn name(&self) -> &'static str {
        "BodyLimit"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = std::mem::replace(context.response_mut().body_mut(), SdkBody::taken());
        *context.response_mut().body_mut() = SdkBody::from_body_1_x(Limited::new(body, LONGEST_REPLY));
        Ok(())
    }
}
