//! What goes wrong in the sandbox.

use rekeyd_sandbox::{Fault, FaultKind};

use super::{World, eventually};

impl World {
    pub fn faults(&self, faults: Vec<Fault>) {
        self.sandbox.sandbox().set_faults(faults);
    }

    /// How often each armed fault has fired.
    pub fn fired(&self) -> Vec<u64> {
        self.sandbox
            .sandbox()
            .faults()
            .iter()
            .map(|fault| fault.fired)
            .collect()
    }

    /// Waits until the first armed fault has fired.
    pub async fn fault_fired(&self) {
        eventually("the fault strikes", || async {
            if self.fired().first().is_some_and(|fired| *fired > 0) {
                Ok(())
            } else {
                Err(format!("{:?}", self.calls()))
            }
        })
        .await;
    }

    /// Arms no fault any more, and lets what they hold go on.
    pub fn end_faults(&self) {
        self.faults(Vec::new());
        self.sandbox.sandbox().release();
    }
}

/// The next call to an operation is refused with this error code.
pub fn refusal(operation: &str, code: &str, status: u16) -> Fault {
    let mut fault = Fault::next(operation, FaultKind::Code);
    fault.code = Some(code.to_owned());
    fault.message = Some("Passwords length must be between 16-128 characters.".to_owned());
    fault.status = Some(status);
    fault
}
