//! What strangers do, and whom a person has to look after then.

use rekeyd_sandbox::{CallContext, STRANGER, StrangerAct, UserView};

use super::script::{Meddling, Perturbation, UserKind};
use super::stage::Stage;
use crate::support::world::REGION;

impl Stage<'_> {
    /// Lets a person edit a secret when the next finish has been written down.
    pub(super) fn edit_before_finish(&mut self, user: usize) -> bool {
        let Some(user) = self.user(user) else { return false };
        let secret = user.secret();
        self.left_to_persons.insert(user.id());
        let arn = self.sim.secret(&secret).arn;
        self.sim
            .world
            .before_finish(arn, StrangerAct::EditSecret { secret, password: None });
        true
    }

    /// A stranger acts. AWS may refuse.
    pub(super) fn meddle(&mut self, user: usize, act: Meddling) -> bool {
        let Some(user) = self.user(user) else { return false };
        let (id, secret) = (user.id(), user.secret());
        let resets = self.script.happenings.iter().filter(|one| {
            let by = Perturbation::Stranger { user: user.number, act };
            act == Meddling::ResetsPassword && one.what == by
        });
        // More often than that in a day, and it is another writer at work.
        let repairs = self.script.policy.repairs && resets.count() <= 3;
        let passwordless = |user: UserView| user.passwords.is_empty();
        let goes_live = act == Meddling::SwitchesOn && self.sim.world.sandbox.user(&id).is_some_and(passwordless);
        if act.needs_a_person(repairs) || (goes_live && user.kind != UserKind::Passwordless) {
            self.left_to_persons.insert(id.clone());
        }
        if matches!(act, Meddling::SwitchesOff | Meddling::SwitchesOn) {
            self.switched.insert(id.clone());
        }
        let act = match act {
            Meddling::Rotates => StrangerAct::RotateSecret { secret },
            Meddling::EditsSecret => StrangerAct::EditSecret { secret, password: None },
            Meddling::ResetsPassword => StrangerAct::ResetPassword {
                user: id.clone(),
                password: None,
            },
            Meddling::MovesCurrentBack => StrangerAct::LabelBack { secret },
            Meddling::StripsPending => StrangerAct::StripPending { secret },
            Meddling::StartsRotation => StrangerAct::StartRotation { secret },
            Meddling::SwitchesOff => StrangerAct::SwitchOff { user: id.clone() },
            Meddling::SwitchesOn => StrangerAct::SwitchOn { user: id.clone() },
        };
        let world = &self.sim.world;
        world.catch_up();
        let done = world
            .sandbox
            .stranger(&CallContext::new(STRANGER, REGION), &act)
            .is_ok();
        world.changed();
        done
    }
}
