//! What takes time: news of a user on their way to the nodes, and the status that lasts until they are there.

use std::collections::{BTreeMap, BTreeSet};

use super::Reference;
use super::caches::{Login, Node, Window};
use super::users::User;

impl Reference {
    /// Tells the nodes of `groups` how a user now stands with them, and keeps it busy until the last one knows.
    /// One without nodes is busy for the time that is set.
    pub(super) fn change(&mut self, id: &str, groups: &[String]) {
        let (now, detached) = (self.now, self.world.detached_modifying_ms);
        let user = self.users.get_mut(id).unwrap();
        let knows = |group: &str| self.groups[group].users.contains(id).then(|| user.login.clone());
        let nodes = self.nodes.iter_mut().filter(|node| groups.contains(&node.group));
        let arrivals = nodes.map(|node| node.tell(now, id, &user.name, knows(&node.group)));
        let mut window = arrivals
            .reduce(Window::and)
            .unwrap_or(Window::after(now, (detached, detached)));
        // Whether a second change also waits for what the first one waited for is not known.
        user.overtaken = user.busy.is_some();
        window.by = user.busy.map_or(window.by, |first| first.by.max(window.by));
        user.busy = Some(window);
    }

    /// Ends what must be over by now.
    pub(super) fn settle(&mut self) {
        let now = self.now;
        self.end(&|_, window| window.by <= now, &BTreeSet::new());
    }

    /// Whether some status is left open by drawn delays.
    pub fn unsure(&self) -> bool {
        self.users
            .values()
            .filter_map(|user| user.busy)
            .any(|window| window.from <= self.now)
    }

    /// Takes over what AWS shows where it is open: the status of each user that there is. All nodes know a user
    /// that has settled after one change. What is shown too early or too late is left to the next comparison.
    pub fn resolve(&mut self, shown: &BTreeMap<String, String>) {
        let now = self.now;
        let over = |id: &str| shown.get(id).is_none_or(|status| status == "active");
        let settled = |id: &str, window: Window| window.from <= now && over(id);
        let after_one_change =
            |(id, user): &(&String, &User)| !user.overtaken && user.busy.is_some_and(|window| settled(id, window));
        let certain = self
            .users
            .iter()
            .filter(after_one_change)
            .map(|(id, _)| id.clone())
            .collect();
        self.end(&settled, &certain);
    }

    fn end(&mut self, over: &dyn Fn(&str, Window) -> bool, certain: &BTreeSet<String>) {
        let (now, users) = (self.now, &mut self.users);
        self.nodes.iter_mut().for_each(|node| node.learn(now, certain));
        let is_over = |id: &str, user: &User| user.busy.is_some_and(|window| over(id, window));
        users.retain(|id, user| !(user.deleting && is_over(id, user)));
        users
            .iter_mut()
            .filter(|(id, user)| is_over(id, user))
            .for_each(|(_, user)| user.busy = None);
        let busy = |id: &String| users.get(id).is_some_and(|user| user.busy.is_some());
        self.groups.values_mut().for_each(|group| group.moving.retain(busy));
    }

    /// A cache whose nodes know the users of `group`.
    pub fn create_cache(&mut self, cache: &str, group: &str, delays: &[(u64, u64)]) {
        let users = self.groups[group].users.iter().map(|id| &self.users[id]);
        let view: BTreeMap<String, Login> = users.map(|user| (user.name.clone(), user.login.clone())).collect();
        for (n, delay) in delays.iter().enumerate() {
            self.nodes
                .push(Node::new(&format!("{cache}-{:03}", n + 1), group, *delay, view.clone()));
        }
    }
}
