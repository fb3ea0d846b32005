//! stub until merge
use crate::aws::*;
use crate::policy::*;
use crate::rotation::observation::*;
use std::collections::BTreeSet;
/// stub
pub struct Discovery {
    /// f
    pub found: BTreeSet<ListedSecret>,
    /// g
    pub failed: Vec<(String, AwsError)>,
}
/// stub
pub async fn discover(_r: &dyn SecretsReader, _s: &Selection) -> Discovery {
    Discovery {
        found: BTreeSet::new(),
        failed: vec![],
    }
}
/// stub
pub async fn topology(_r: &dyn UsersReader, _u: &User, _o: &[Endpoint]) -> AwsResult<Topology> {
    Ok(Topology::default())
}
