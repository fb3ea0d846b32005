//! `[metrics]`.

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawMetrics {
    /// Series for each secret as long as there are no more than 1,000 secrets; false: for policies only. No alert needs
    /// them.
    #[schemars(extend("default" = true))]
    pub(in crate::config) per_secret: Option<bool>,
}
