//! Damaged files: they load or are refused, and nothing else happens.

use super::*;

#[test]
fn no_truncation_of_the_sample_makes_it_panic() {
    for end in (0..SAMPLE.len()).filter(|end| SAMPLE.is_char_boundary(*end)) {
        if let Err(errors) = parse_str("t.toml", &SAMPLE[..end]) {
            assert!(!errors.to_string().is_empty());
        }
    }
}

#[test]
fn no_corrupted_byte_makes_the_parser_panic() {
    let corrupted = |bytes: &[u8]| {
        let mut layers = layers::Layers::default();
        layers.add_bytes(SourceKind::File, Path::new("t.toml"), bytes.to_vec());
        if let Err(errors) = layers.finish(|_| None) {
            assert!(!errors.to_string().is_empty());
        }
    };
    let mut bytes = SAMPLE.as_bytes().to_vec();
    for at in 0..bytes.len() {
        let byte = bytes[at];
        bytes[at] = byte ^ if at % 2 == 0 { 1 } else { 0x80 };
        corrupted(&bytes);
        bytes[at] = byte;
    }
    // More of it where values stand: comments are the bulk of the sample and the least of its risks.
    let text: String = SAMPLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut bytes = text.into_bytes();
    for at in 0..bytes.len() {
        let original = bytes[at];
        for byte in [
            0, b'\n', b'"', b'\'', b'[', b'{', b'.', b'=', b'9', b'-', b'#', b'Z', b'\\', 0x7f, 0xc3, 0xff,
        ] {
            bytes[at] = byte;
            corrupted(&bytes);
        }
        bytes[at] = original;
    }
}

#[test]
fn a_file_without_an_end_is_refused_and_not_read_for_ever() {
    let errors = load(Path::new("/dev/zero"), std::iter::empty()).unwrap_err();
    assert!(errors.to_string().contains("it is longer than"), "{errors}");
}
