//! Somebody changes a user or its secret in the middle of a rotation.

use std::collections::BTreeSet;

use rekeyd::engine::control::RotateOptions;
use rekeyd::rotation::reason::DriftCause;
use rekeyd::rotation::status::{Phase, SecretStatus};

use crate::drift::{DAY, MINUTES, OLD, STRANGE, checked, count, has_drifted, healthy, labels, until_modifiable};
use crate::support::simulated::{lifelike, simulate};
use crate::support::world::document_with;

/// Overwritten by a stranger when the rotation is at this point; with the store of one replica.
fn overwritten_when(reached: &str, on_drift: &str) {
    simulate(5, lifelike(), async |sim| {
        let (replica, secret) = checked(&sim, on_drift).await;
        let first = sim.holder(&secret, "AWSCURRENT");
        replica.rotate(&secret, RotateOptions::default()).await;
        let at = || (count(&sim, reached) > 0).then_some(());
        sim.until(reached, MINUTES(30), at, String::new).await;
        until_modifiable(&sim).await;
        sim.set_passwords("user1", &[STRANGE]).await;
        if on_drift == "halt" {
            let status = replica
                .until(&secret, "named", MINUTES(120), has_drifted(DriftCause::Overwritten))
                .await;
            assert_eq!(
                status.reason.as_deref(),
                Some("current_password_refused"),
                "{status:#?}"
            );
            sim.run_for(DAY).await;
            assert_eq!(sim.holder(&secret, "AWSCURRENT"), first, "nothing is promoted");
            assert_eq!(
                sim.logins("user1", STRANGE),
                (3, 3),
                "nor is the stranger's password touched"
            );
        } else {
            let rotated = |status: &SecretStatus| healthy(status) && status.current_version != first;
            replica
                .until(&secret, "repaired and rotated", MINUTES(420), rotated)
                .await;
            let current = sim.password(&secret, "AWSCURRENT").unwrap();
            assert_eq!(
                (sim.logins("user1", &current), sim.logins("user1", STRANGE)),
                ((3, 3), (0, 3))
            );
            let events = labels(&sim);
            let position = |label| events.iter().position(|known| *known == label).unwrap();
            assert!(position("abandoned") < position("repair_started"), "{events:?}");
        }
    });
}

#[test]
fn a_stranger_who_resets_the_password_mid_rotation_is_named_and_nothing_else_happens() {
    for reached in ["password_created", "password_set"] {
        overwritten_when(reached, "halt");
    }
}

#[test]
fn a_stranger_who_resets_the_password_mid_rotation_costs_the_rotation_and_the_repair_comes_after_it() {
    for reached in ["password_created", "password_set"] {
        overwritten_when(reached, "repair");
    }
}

/// A person puts another value into the secret while a password is pending, and gives the user these
/// passwords: theirs is `STRANGE`. Gives what the user's passwords are in the end, with those that logged in.
fn edited_mid_rotation(passwords: &[&str], on_drift: &str) -> (SecretStatus, BTreeSet<String>) {
    simulate(6, lifelike(), async |sim| {
        let (replica, secret) = checked(&sim, on_drift).await;
        replica.rotate(&secret, RotateOptions::default()).await;
        let at = || (count(&sim, "password_set") > 0).then_some(());
        sim.until("the pending password is set", MINUTES(30), at, String::new)
            .await;
        let pending = sim.password(&secret, "AWSPENDING").unwrap();
        let mine = "11111111-2222-4333-8444-555555555555";
        sim.put("user1", mine, &document_with("user1", STRANGE), None).await;
        until_modifiable(&sim).await;
        if !passwords.is_empty() {
            let passwords: Vec<_> = passwords
                .iter()
                .map(|given| given.replace("PENDING", &pending))
                .collect();
            let passwords: Vec<_> = passwords.iter().map(String::as_str).collect();
            sim.set_passwords("user1", &passwords).await;
        }
        sim.run_for(2 * DAY).await;
        assert_eq!(sim.holder(&secret, "AWSPENDING"), None, "{}", sim.story());
        assert_eq!(sim.holder(&secret, "AWSCURRENT").as_deref(), Some(mine));
        let before = replica.status(&secret).unwrap();
        if before.phase == Phase::Idle {
            replica.rotate(&secret, RotateOptions::default()).await;
            let next = |status: &SecretStatus| healthy(status) && status.current_version.as_deref() != Some(mine);
            replica.until(&secret, "rotated on from there", DAY, next).await;
            assert_eq!(sim.logins("user1", &pending).0, 0, "the one that was given up is dead");
        }
        let known = [("OLD", OLD), ("STRANGE", STRANGE), ("PENDING", &pending)];
        let works = known
            .into_iter()
            .filter(|(_, password)| sim.logins("user1", password).0 > 0);
        (before, works.map(|(name, _)| name.to_owned()).collect())
    })
}

#[test]
fn a_pending_version_that_a_person_has_overtaken_is_given_up_and_its_password_retired() {
    for passwords in [&[STRANGE][..], &[STRANGE, "PENDING"], &[STRANGE, OLD]] {
        let (status, works) = edited_mid_rotation(passwords, "halt");
        assert!(status.phase == Phase::Idle && status.drift.is_none(), "{status:#?}");
        assert!(works.is_empty(), "{works:?} still work after the next rotation");
    }
}

#[test]
fn a_secret_that_a_person_edits_mid_rotation_without_telling_the_user_is_named_as_drift_or_repaired() {
    let (status, works) = edited_mid_rotation(&[], "halt");
    assert_eq!(
        (status.phase, status.drift),
        (Phase::Halted, Some(DriftCause::PreviousAccepted))
    );
    assert_eq!(status.reason.as_deref(), Some("current_password_refused"));
    assert!(
        works.contains("OLD") && !works.contains("STRANGE"),
        "nobody was locked out: {works:?}"
    );
    let (status, _) = edited_mid_rotation(&[], "repair");
    assert!(status.phase == Phase::Idle && status.drift.is_none(), "{status:#?}");
}
