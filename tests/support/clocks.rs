//! Wall clocks of processes that are off, by libfaketime. Their monotonic clocks stay true.

/// The variables under which a process's wall clock is off by so much, such as `-10m`; or by what a file says.
pub fn faked(off: (&'static str, &str)) -> Vec<(&'static str, String)> {
    let libraries = std::fs::read_dir("/usr/lib").unwrap();
    let mut faketime = libraries.map(|entry| entry.unwrap().path().join("faketime/libfaketime.so.1"));
    let faketime = faketime
        .find(|path| path.exists())
        .expect("scripts/install-tools.sh pages");
    vec![
        ("LD_PRELOAD", faketime.to_str().unwrap().to_owned()),
        (off.0, off.1.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

/// The same for a clock that is off for good.
pub fn with_clock_off_by(span: &str) -> Vec<(&'static str, String)> {
    faked(("FAKETIME", span))
}
