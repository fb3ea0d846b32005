//! Version ids that every replica derives alike, so that two which start the same rotation write
//! the same version (promise P3).

use sha2::{Digest, Sha256};

/// Changing this, or anything below, forks the chain between replicas of two releases.
const DOMAIN: &[u8] = b"rekeyd version id 1";

/// The version id (ClientRequestToken) of generation `generation` after version `current` of the
/// secret `secret_arn`: a UUID of version 8, made of a SHA-256 digest.
pub fn version_id(secret_arn: &str, current: &str, generation: u32) -> String {
    let mut hash = Sha256::new();
    for part in [DOMAIN, secret_arn.as_bytes(), current.as_bytes()] {
        // Lengths go in, so that no two triples give the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(generation.to_be_bytes());
    let digest = hash.finalize();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// How many generations are looked for when asking whose a version is. Far above any
/// `max_attempts`, since an operator's resume allows further ones.
pub const GENERATIONS: u32 = 256;

/// The generation at which `child` was derived from `parent`, if it was derived by us.
pub fn generation_of(secret_arn: &str, parent: &str, child: &str) -> Option<u32> {
    (0..GENERATIONS).find(|generation| version_id(secret_arn, parent, *generation) == child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ids_never_change_between_releases() {
        let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois";
        let current = "aae5b963-1e6b-4250-91c6-ebd6c47d0d95";
        let derived: Vec<String> = (0..2).map(|generation| version_id(arn, current, generation)).collect();
        assert_eq!(
            derived,
            [
                "b1346a80-feb8-8530-8d8b-c088955cc297",
                "d408c402-7f57-8776-96a1-f0df0eb8f8c9"
            ]
        );
    }

    #[test]
    fn a_derived_version_knows_its_parent_and_generation() {
        let child = version_id("arn", "parent", 7);
        assert_eq!(generation_of("arn", "parent", &child), Some(7));
        assert_eq!(generation_of("arn", "other", &child), None);
    }
}
