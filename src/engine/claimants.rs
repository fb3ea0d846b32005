//! The policies that have one secret: nearly always a single one.

use super::membership::Claim;

/// The policies that have one secret, by name and in its order, and how each has it. In a list as long as it need be:
/// a map takes room for eleven, which with 10,000 secrets is more than 5 MB.
pub(super) struct Claimants(Vec<(String, Claim)>);

impl Claimants {
    /// A single one.
    pub(super) fn only(policy: &str, claim: Claim) -> Self {
        Self(vec![(policy.to_owned(), claim)])
    }

    pub(super) fn get(&self, policy: &str) -> Option<&Claim> {
        let at = self.find(policy).ok()?;
        self.0.get(at).map(|(_, claim)| claim)
    }

    /// Gives the claim that it replaces.
    pub(super) fn insert(&mut self, policy: String, claim: Claim) -> Option<Claim> {
        match self.find(&policy) {
            Ok(at) => self.0.get_mut(at).map(|(_, before)| std::mem::replace(before, claim)),
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (policy, claim));
                None
            }
        }
    }

    pub(super) fn remove(&mut self, policy: &str) {
        self.0.retain(|(name, _)| name != policy);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Claim)> {
        self.0.iter().map(|(name, claim)| (name, claim))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Claim> {
        self.0.iter().map(|(_, claim)| claim)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, policy: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| name.as_str().cmp(policy))
    }
}
