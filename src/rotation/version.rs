//! Version ids that every replica derives alike, so that two which start the same rotation write
//! the same version (promise P3).

use std::cell::RefCell;
use std::rc::Rc;

use sha2::{Digest, Sha256};

/// Changing this, or anything below, forks the chain between replicas of two releases.
const DOMAIN: &[u8] = b"rekeyd version id 1";

/// How many generations are looked for when asking whose a version is. Far above any
/// `max_attempts`, since an operator's resume allows further ones.
pub const GENERATIONS: u32 = 256;

/// The version id (ClientRequestToken) of generation `generation` after version `current` of the
/// secret `secret_arn`: a UUID of version 8, made of a SHA-256 digest.
pub fn version_id(secret_arn: &str, current: &str, generation: u32) -> String {
    Children::of(secret_arn, current).id(generation)
}

/// The generation at which `child` was derived from `parent`, if it was derived by us.
pub fn generation_of(secret_arn: &str, parent: &str, child: &str) -> Option<u32> {
    Children::of(secret_arn, parent).generation_of(child)
}

/// The versions that can be derived from one: one for each generation.
#[derive(Clone)]
pub struct Children {
    /// What all of them have in common, hashed once: every decision asks for all generations.
    parent: Sha256,
    /// Those that were computed already, by generation.
    numbers: Rc<RefCell<Vec<u128>>>,
}

/// How many versions' children a thread remembers. A decision asks several times whose child a version is, for the
/// current and the previous version, and so does the next decision about the same secret.
const REMEMBERED: usize = 8;

thread_local! {
    /// By secret and parent, the one that was asked for last in front.
    static ASKED_FOR: RefCell<Vec<(String, String, Children)>> = const { RefCell::new(Vec::new()) };
}

impl Children {
    /// Those of version `parent` of the secret `secret_arn`.
    pub fn of(secret_arn: &str, parent: &str) -> Self {
        ASKED_FOR.with_borrow_mut(|known| {
            let at = known.iter().position(|(arn, of, _)| arn == secret_arn && of == parent);
            match at {
                Some(at) => known[..=at].rotate_right(1),
                None => {
                    known.truncate(REMEMBERED - 1);
                    let children = Self::hashed(secret_arn, parent);
                    known.insert(0, (secret_arn.to_owned(), parent.to_owned(), children));
                }
            }
            known[0].2.clone()
        })
    }

    fn hashed(secret_arn: &str, parent: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [DOMAIN, secret_arn.as_bytes(), parent.as_bytes()] {
            // Lengths go in, so that no two triples give the same bytes.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self {
            parent: hash,
            numbers: Rc::default(),
        }
    }

    /// The id of the one of this generation.
    pub fn id(&self, generation: u32) -> String {
        let id = format!("{:032x}", self.number(generation));
        [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
    }

    /// The generation of the one that has this id.
    pub fn generation_of(&self, id: &str) -> Option<u32> {
        self.among([id]).first().map(|(generation, _)| *generation)
    }

    /// Those of these ids that are among them, each with its generation, the first one first.
    pub fn among<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Vec<(u32, &'a str)> {
        // Nearly all ids that are not ours are of another form, and cost no hashing.
        let derived: Vec<(u128, &str)> = ids.into_iter().filter_map(|id| Some((number_of(id)?, id))).collect();
        let mut found = Vec::new();
        for generation in (0..GENERATIONS).take_while(|_| !derived.is_empty()) {
            let number = self.number(generation);
            found.extend(
                derived
                    .iter()
                    .filter(|(of, _)| *of == number)
                    .map(|(_, id)| (generation, *id)),
            );
            if found.len() == derived.len() {
                break;
            }
        }
        found
    }

    fn number(&self, generation: u32) -> u128 {
        if generation >= GENERATIONS {
            return self.digest(generation);
        }
        let mut numbers = self.numbers.borrow_mut();
        while numbers.len() <= generation as usize {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            numbers.push(self.digest(next));
        }
        numbers[generation as usize]
    }

    fn digest(&self, generation: u32) -> u128 {
        let digest = self.parent.clone().chain_update(generation.to_be_bytes()).finalize();
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[6] = VERSION | (bytes[6] & 0x0f);
        bytes[8] = VARIANT | (bytes[8] & 0x3f);
        u128::from_be_bytes(bytes)
    }
}

/// The version and the variant of RFC 9562, as they stand in their bytes.
const VERSION: u8 = 0x80;
const VARIANT: u8 = 0x80;

/// A UUID of the form that derived ids have, spelled as they are.
fn number_of(id: &str) -> Option<u128> {
    let dashes = [8, 13, 18, 23];
    let spelled = id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match byte {
            b'-' => dashes.contains(&at),
            b'0'..=b'9' | b'a'..=b'f' => !dashes.contains(&at),
            _ => false,
        });
    let number = u128::from_str_radix(&id.replace('-', ""), 16)
        .ok()
        .filter(|_| spelled)?;
    let bytes = number.to_be_bytes();
    (bytes[6] & 0xf0 == VERSION && bytes[8] & 0xc0 == VARIANT).then_some(number)
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

    #[test]
    fn children_are_found_among_other_versions_in_the_order_of_their_generations() {
        let children = Children::of("arn", "parent");
        let [last, first, cousin] = [children.id(255), children.id(0), version_id("arn", "first", 0)];
        let ids = [
            last.as_str(),
            "not-a-uuid",
            &cousin,
            &first,
            "aae5b963-1e6b-4250-91c6-ebd6c47d0d95",
        ];
        assert_eq!(children.among(ids), [(0, first.as_str()), (255, last.as_str())]);
    }

    #[test]
    fn an_id_that_is_spelled_otherwise_is_another_id() {
        let children = Children::of("arn", "parent");
        let id = children.id(3);
        assert_eq!(children.generation_of(&id), Some(3));
        for other in [
            id.to_uppercase(),
            id.replace('-', ""),
            format!("-{}", &id[1..]),
            format!("{id}0"),
        ] {
            assert_eq!(children.generation_of(&other), None, "{other}");
        }
    }
}
