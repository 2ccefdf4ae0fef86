//! Several nodes that are one broker.

use std::thread;

use crate::Node;

const SIZE: usize = 3;

/// Three joined nodes; quorum queues have a member on each of them. They end when this is dropped, or
/// with the process.
pub struct Cluster {
    nodes: Vec<Node>,
}

impl Cluster {
    /// Boots the nodes and joins them, which takes some ten seconds.
    ///
    /// # Panics
    /// As [`Node::start`].
    pub fn start() -> Self {
        let first = Node::start();
        let boots: Vec<_> = (1..SIZE)
            .map(|_| first.launcher.another())
            .map(|launcher| thread::spawn(|| Node::boot(launcher)))
            .collect();
        let mut nodes = vec![first];
        for boot in boots {
            let node = boot
                .join()
                .unwrap_or_else(|_| panic!("a node did not boot"));
            node.ctl(&["-q", "stop_app"]);
            node.ctl(&["-q", "join_cluster", &nodes[0].name()]);
            node.ctl(&["-q", "start_app"]);
            nodes.push(node);
        }
        Self { nodes }
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}
