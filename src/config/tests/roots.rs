//! The file of roots that a policy names.

use chrono::TimeDelta;

use super::*;
use crate::clock::{Clock, SystemClock, Timestamp};

/// What is warned of where `tls.ca_file` is a file with this content, whose name is `FILE`.
fn warnings_about_roots(content: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, content).unwrap();
    let name = file.display().to_string();
    let warnings = Folder::new(&policy_with(&format!("tls.ca_file = {name:?}")), &[]).load(&[]);
    let warnings = warnings.unwrap().warnings;
    warnings.iter().map(|warning| warning.replace(&name, "FILE")).collect()
}

/// A root that is good until then; in PEM.
fn root_until(end: Timestamp) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let end = end.format("%Y%m%d%H%M%SZ");
    let authority = "[ca]\ndefault_ca = a\n[a]\ndatabase = index\nserial = serial\nnew_certs_dir = .\n\
                     default_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n";
    for (name, content) in [("ca.conf", authority), ("index", ""), ("serial", "01\n")] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    for arguments in [
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=nodes -keyout key -out csr".to_owned(),
        format!(
            "ca -batch -notext -selfsign -config ca.conf -keyfile key -startdate 20200101000000Z -enddate {end} -in csr \
             -out root"
        ),
    ] {
        let openssl = std::process::Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder.path())
            .output();
        let output = openssl.expect("this test needs openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    std::fs::read(folder.path().join("root")).unwrap()
}

#[test]
fn a_file_of_roots_is_read_and_what_is_wrong_with_it_is_warned_of_with_its_date() {
    let days_from_now = |days| SystemClock::new().now() + TimeDelta::days(days);
    let lasting = root_until(days_from_now(365));
    assert_eq!(warnings_about_roots(&lasting), Vec::<String>::new());

    let end = days_from_now(-3);
    let soon = root_until(days_from_now(3));
    let expired = warnings_about_roots(&[soon.clone(), root_until(end), lasting.clone()].concat());
    let told = format!(
        "FILE holds the root CN=nodes, which expired on {};",
        end.format("%Y-%m-%d")
    );
    assert!(expired.len() == 1 && expired[0].contains(&told), "{expired:#?}");

    let soon = warnings_about_roots(&soon);
    assert!(
        soon.len() == 1 && soon[0].contains("CN=nodes, which expires on "),
        "{soon:#?}"
    );

    let text = String::from_utf8(lasting.clone()).unwrap();
    let cut = format!("{}\n-----END CERTIFICATE-----\n", &text[..200]);
    for (content, told) in [
        (&b""[..], "FILE holds no certificate"),
        (
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "FILE holds no certificate",
        ),
        (cut.as_bytes(), "FILE is damaged: certificate 1"),
        (
            &[lasting.as_slice(), cut.as_bytes()].concat(),
            "FILE is damaged: certificate 2",
        ),
    ] {
        let warnings = warnings_about_roots(content);
        assert!(
            warnings.len() == 1 && warnings[0].contains(told),
            "{told}: {warnings:#?}"
        );
    }
    let folder = policy_with("tls.ca_file = \"/\"");
    let warnings = Folder::new(&folder, &[]).load(&[]).unwrap().warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("/ is no file"),
        "{warnings:#?}"
    );
}
