//! What is measured, and at which sizes: `ONLY` and `SIZE`.

/// Figures that one set-up yields together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Section {
    /// A rotation of all at once: calls, time over the floor, processor time.
    Rotation,
    /// Memory with some known and up to 1,000 of them in flight.
    Memory,
    /// The processor time of a drift check.
    Drift,
    /// At rest: memory, tick, discovery, scrape; how they grow.
    Rest,
    /// `kill -9` with rotations in flight, and a restart.
    Restart,
    /// Three replicas on a table, against one; and what they ask at rest.
    Replicas,
    /// Parts by themselves: decisions and the store.
    Costs,
}

impl Section {
    pub(crate) const ALL: [Self; 7] = [
        Self::Costs,
        // What a check takes is part of what secrets at rest take.
        Self::Drift,
        Self::Rest,
        Self::Restart,
        Self::Memory,
        Self::Rotation,
        Self::Replicas,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Memory => "memory",
            Self::Drift => "drift",
            Self::Rest => "rest",
            Self::Restart => "restart",
            Self::Replicas => "replicas",
            Self::Costs => "costs",
        }
    }

    /// What `ONLY` may say for it.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Rotation => &["rotation", "calls", "cpu", "time"],
            Self::Memory => &["memory"],
            Self::Drift => &["drift"],
            Self::Rest => &["rest", "idle", "growth"],
            Self::Restart => &["restart"],
            Self::Replicas => &["replicas"],
            Self::Costs => &["costs"],
        }
    }

    /// The sizes of a full run, in secrets. Rotating 10,000 at once takes as long as ten times 1,000:
    /// `max_in_flight` is 1,000.
    fn sizes(self) -> &'static [usize] {
        match self {
            Self::Rotation => &[10, 100, 1_000],
            Self::Memory | Self::Restart => &[10, 100, 1_000, 10_000],
            Self::Drift => &[10, 100, 1_000],
            Self::Rest => &[10, 100, 1_000, 10_000, 100_000],
            // Fewer rotate, 1,000 are watched at rest.
            Self::Replicas => &[120, 1_000],
            Self::Costs => &[1],
        }
    }
}

/// What the caller chose.
pub(crate) struct Selection {
    only: Vec<String>,
    sizes: Vec<usize>,
}

impl Selection {
    pub(crate) fn from_environment() -> Self {
        let only = words("ONLY");
        let known = |word: &String| {
            Section::ALL
                .iter()
                .any(|section| section.words().contains(&word.as_str()))
        };
        if let Some(unknown) = only.iter().find(|word| !known(word)) {
            let all: Vec<_> = Section::ALL.iter().flat_map(|section| section.words()).collect();
            panic!("ONLY={unknown}: nothing is called that; there are {all:?}");
        }
        let sizes = words("SIZE");
        let sizes = sizes
            .iter()
            .map(|size| size.replace(',', "").parse().expect("SIZE: numbers of secrets"));
        Self {
            only,
            sizes: sizes.collect(),
        }
    }

    pub(crate) fn has(&self, section: Section) -> bool {
        let named = self.only.iter().any(|word| section.words().contains(&word.as_str()));
        self.only.is_empty() || named
    }

    pub(crate) fn sizes(&self, section: Section) -> Vec<usize> {
        match self.sizes.as_slice() {
            [] => section.sizes().to_vec(),
            chosen if section == Section::Costs => vec![chosen.len().min(1)],
            chosen => chosen.to_vec(),
        }
    }
}

fn words(variable: &str) -> Vec<String> {
    let text = std::env::var(variable).unwrap_or_default();
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
