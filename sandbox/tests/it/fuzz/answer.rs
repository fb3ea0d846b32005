//! What came back, and whether it has the shape that clients of the service read.

use serde_json::Value;

/// A reply.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads the bytes of a reply. Nothing at all is a connection that was closed instead.
    pub fn read(reply: &[u8]) -> Result<Self, String> {
        let end = reply.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.ok_or("the connection was closed without a reply")?;
        let head = String::from_utf8_lossy(&reply[..end]);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(Self {
            status: status.ok_or("the reply has no status")?,
            body: reply[end + 4..].to_vec(),
        })
    }

    /// Whether the call succeeded. An error unless the reply has the shape of its service.
    pub fn judge(&self, json: bool) -> Result<bool, String> {
        let body = std::str::from_utf8(&self.body).map_err(|error| error.to_string())?;
        let said = |what: &str| format!("{what}: HTTP {}: {body}", self.status);
        let success = match self.status {
            200 => true,
            400..500 => false,
            _ => return Err(said("neither a success nor a client's error")),
        };
        let shaped = if json {
            is_json(body, success)
        } else {
            is_xml(body, success)
        };
        if shaped {
            Ok(success)
        } else {
            Err(said("not the service's shape"))
        }
    }
}

fn is_json(body: &str, success: bool) -> bool {
    let Ok(Value::Object(map)) = serde_json::from_str(body) else {
        return false;
    };
    let text = |key: &str| {
        map.get(key)
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
    };
    success || (text("__type") && text("message"))
}

fn is_xml(body: &str, success: bool) -> bool {
    let Ok(document) = roxmltree::Document::parse(body) else {
        return false;
    };
    let root = document.root_element();
    let text = |name: &str| {
        let mut named = root.descendants().filter(|node| node.tag_name().name() == name);
        named
            .next()
            .and_then(|node| node.text())
            .is_some_and(|text| !text.is_empty())
    };
    let named = root.tag_name().name();
    if success {
        return named.ends_with("Response") && named != "ErrorResponse" && text("RequestId");
    }
    named == "ErrorResponse" && ["Type", "Code", "Message", "RequestId"].into_iter().all(text)
}
