//! scripts/sbom.py: what is linked into rekeyd, as CycloneDX.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::process::Command;

use crate::support::cli::ended;
use crate::support::python;

/// It validates what it prints against the schema of CycloneDX 1.6, and fails where that refuses it.
#[tokio::test(flavor = "multi_thread")]
async fn the_sbom_is_valid_and_names_what_is_linked_with_licence_and_digest_and_nothing_else() {
    let mut sbom = Command::new(python::bin().join("python"));
    sbom.arg(python::workspace().join("scripts/sbom.py"));
    sbom.env("SOURCE_DATE_EPOCH", "1700000000");
    let written = ended(sbom).await;
    assert_eq!((written.code, written.stderr.as_str()), (Some(0), ""));
    let bom: Value = serde_json::from_str(&written.stdout).unwrap();
    assert_eq!(
        (bom["bomFormat"].as_str(), bom["specVersion"].as_str()),
        (Some("CycloneDX"), Some("1.6"))
    );
    assert_eq!(bom["metadata"]["component"]["name"], "rekeyd");
    assert_eq!(bom["metadata"]["timestamp"], "2023-11-14T22:13:20+00:00");

    let components = bom["components"].as_array().unwrap();
    let names: BTreeSet<&str> = components.iter().map(|part| part["name"].as_str().unwrap()).collect();
    for linked in [
        "aws-sdk-elasticache",
        "aws-lc-sys",
        "libsqlite3-sys",
        "rustls",
        "tokio",
        "sd-notify",
    ] {
        assert!(names.contains(linked), "{linked} is linked");
    }
    for not_linked in ["rekeyd-sandbox", "proptest", "serde_derive", "cc", "clap_derive"] {
        assert!(
            !names.contains(not_linked),
            "{not_linked} is of the tests, a macro or of the build"
        );
    }
    for part in components {
        assert!(part["licenses"][0].is_object(), "{part}");
        assert_eq!(part["hashes"][0]["alg"], "SHA-256", "{part}");
        let purl = format!(
            "pkg:cargo/{}@{}",
            part["name"].as_str().unwrap(),
            part["version"].as_str().unwrap()
        );
        assert_eq!(part["purl"], purl.replace('+', "%2B"));
    }
    let dependencies = bom["dependencies"].as_array().unwrap();
    let root = dependencies
        .iter()
        .find(|of| of["ref"].as_str().unwrap().starts_with("rekeyd@"));
    let direct = root.unwrap()["dependsOn"].as_array().unwrap();
    assert!(
        direct.iter().any(|on| on.as_str().unwrap().starts_with("rusqlite@")),
        "{direct:?}"
    );
    assert_eq!(
        dependencies.len(),
        components.len() + 1,
        "each has its place in the graph"
    );
}
