//! Documents that IAM would find too long, in parts.

use super::document::{Document, Resource, Statement};

/// How long a managed policy may be, in characters without white space (IAM user guide, "IAM and AWS STS quotas").
pub const LONGEST_DOCUMENT: usize = 6_144;

/// The documents that say together what `document` does. Each resource stays with its statement's actions and
/// conditions, so that nothing more and nothing less is allowed.
pub(super) fn split(document: Document) -> Vec<Document> {
    let mut parts: Vec<Document> = Vec::new();
    for statement in document.statements.into_iter().flat_map(pieces) {
        match parts.iter_mut().find(|part| fits(part, &statement)) {
            Some(part) => part.statements.push(statement),
            None => parts.push(Document {
                statements: vec![statement],
            }),
        }
    }
    parts
}

fn fits(part: &Document, statement: &Statement) -> bool {
    let mut statements = part.statements.clone();
    // IAM wants the names of a document's statements to differ.
    if statements.iter().any(|other| other.sid == statement.sid) {
        return false;
    }
    statements.push(statement.clone());
    Document { statements }.characters() <= LONGEST_DOCUMENT
}

/// A statement in pieces that fit into a document each. A single resource is never too long.
fn pieces(statement: Statement) -> Vec<Statement> {
    let whole = |resources: &[Resource]| Statement {
        resources: resources.to_vec(),
        ..statement.clone()
    };
    let too_long = |piece: &Statement| {
        let statements = vec![piece.clone()];
        Document { statements }.characters() > LONGEST_DOCUMENT
    };
    if !too_long(&statement) {
        return vec![statement];
    }
    let mut pieces = vec![whole(&[])];
    for resource in &statement.resources {
        let mut longer = pieces.pop().unwrap_or_else(|| whole(&[]));
        longer.resources.push(resource.clone());
        if too_long(&longer) && longer.resources.len() > 1 {
            longer.resources.pop();
            pieces.push(longer);
            longer = whole(std::slice::from_ref(resource));
        }
        pieces.push(longer);
    }
    pieces
}
