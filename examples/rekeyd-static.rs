//! The program itself. The tests of the container link it like the image's (`-C target-feature=+crt-static`), under a name
//! of its own, so that the one of all other tests stays as it is.

use std::process::ExitCode;

#[path = "../src/main.rs"]
mod rekeyd_main;

fn main() -> ExitCode {
    rekeyd_main::main()
}
