//! Pages that go on after the last thing of the page before, whatever has come or gone meanwhile.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How a list is sorted by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// What a token names stands after this, so that no other text is taken for one.
const AFTER: &str = "after ";

/// One page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) things: Vec<T>,
    /// The token of the next one, if there is one.
    pub(crate) next: Option<String>,
}

/// Cuts a page of `size` things out of a list that is sorted by `key`, which no two of its things share. Nothing if `token` is none that
/// a page has given. An empty token is none.
pub(crate) fn page<T>(
    all: Vec<T>,
    token: Option<&str>,
    size: usize,
    order: Order,
    key: impl Fn(&T) -> String,
) -> Option<Page<T>> {
    let last = match token.filter(|token| !token.is_empty()) {
        None => None,
        Some(token) => Some(read(token)?),
    };
    let is_left = |thing: &T| match (&last, order) {
        (None, _) => true,
        (Some(last), Order::Ascending) => key(thing) > *last,
        (Some(last), Order::Descending) => key(thing) < *last,
    };
    let mut things: Vec<T> = all.into_iter().filter(is_left).collect();
    let more = things.len() > size;
    things.truncate(size);
    let next = things.last().filter(|_| more).map(|last| write(&key(last)));
    Some(Page { things, next })
}

fn write(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{AFTER}{key}"))
}

fn read(token: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix(AFTER).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(all: &[&str], token: Option<&str>, order: Order) -> Page<String> {
        let all = all.iter().map(|one| (*one).to_owned()).collect();
        page(all, token, 2, order, String::clone).unwrap()
    }

    #[test]
    fn pages_go_on_although_what_was_shown_is_gone_and_something_came() {
        let first = cut(&["a", "b", "c", "d", "e"], None, Order::Ascending);
        assert_eq!(first.things, ["a", "b"]);
        let second = cut(&["aa", "c", "d", "e"], first.next.as_deref(), Order::Ascending);
        assert_eq!(second.things, ["c", "d"]);
        let third = cut(&["d", "e"], second.next.as_deref(), Order::Ascending);
        assert_eq!((third.things, third.next), (vec!["e".to_owned()], None));
    }

    #[test]
    fn the_other_way_round_as_well() {
        let first = cut(&["e", "d", "c"], None, Order::Descending);
        assert_eq!(first.things, ["e", "d"]);
        let second = cut(&["f", "c", "b"], first.next.as_deref(), Order::Descending);
        assert_eq!(
            (second.things, second.next),
            (vec!["c".to_owned(), "b".to_owned()], None)
        );
    }

    #[test]
    fn no_other_text_is_a_token() {
        for text in ["page-2", "b", "YmVmb3JlIGI"] {
            assert_eq!(
                page(vec!["a".to_owned()], Some(text), 2, Order::Ascending, String::clone),
                None
            );
        }
    }
}
