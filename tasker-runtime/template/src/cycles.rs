//! Finds the cycles of a graph, without recursion.

use std::collections::VecDeque;

use crate::graph::number;

/// For each group of steps that wait for each other, the shortest cycle through its first step: every
/// step depends on the next, the last on the first.
pub(crate) fn find(dependencies: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let group = groups(dependencies);
    let mut done = vec![false; dependencies.len()];
    let mut cycles = Vec::new();
    for step in 0..dependencies.len() {
        if std::mem::replace(&mut done[group[step] as usize], true) {
            continue;
        }
        if let Some(cycle) = shortest(dependencies, &group, number(step)) {
            cycles.push(cycle);
        }
    }
    cycles
}

/// The shortest way from `start` back to itself inside its group, `None` where it waits for nobody
/// that waits for it.
fn shortest(dependencies: &[Vec<u32>], group: &[u32], start: u32) -> Option<Vec<u32>> {
    let mut came_from = vec![None; dependencies.len()];
    let mut open = VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        for &next in &dependencies[at as usize] {
            if next == start {
                let mut cycle = vec![at];
                while let Some(before) = came_from[cycle[cycle.len() - 1] as usize] {
                    cycle.push(before);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if group[next as usize] == group[start as usize] && came_from[next as usize].is_none() {
                came_from[next as usize] = Some(at);
                open.push_back(next);
            }
        }
    }
    None
}

/// What Tarjan's algorithm knows while it walks.
struct Walk {
    /// When each step was first met, from 1; 0: not yet.
    met: Vec<u32>,
    /// The earliest met step that each one leads back to.
    low: Vec<u32>,
    /// The group of each step that is settled, else `u32::MAX`.
    group: Vec<u32>,
    /// Steps that are met and not settled.
    open: Vec<u32>,
    clock: u32,
}

impl Walk {
    fn meet(&mut self, step: u32) {
        self.clock += 1;
        self.met[step as usize] = self.clock;
        self.low[step as usize] = self.clock;
        self.open.push(step);
    }

    /// Closes the group that starts at `step`, once all it leads to was walked.
    fn settle(&mut self, step: u32) {
        if self.low[step as usize] != self.met[step as usize] {
            return;
        }
        while let Some(member) = self.open.pop() {
            self.group[member as usize] = step;
            if member == step {
                break;
            }
        }
    }
}

/// The strongly connected component of each step, named by one of its members.
fn groups(dependencies: &[Vec<u32>]) -> Vec<u32> {
    let count = dependencies.len();
    let mut walk = Walk {
        met: vec![0; count],
        low: vec![0; count],
        group: vec![u32::MAX; count],
        open: Vec::new(),
        clock: 0,
    };
    for root in 0..number(count) {
        if walk.met[root as usize] != 0 {
            continue;
        }
        walk.meet(root);
        let mut path = vec![(root, 0)];
        while let Some((at, next)) = path.last_mut() {
            let at = *at;
            let Some(&to) = dependencies[at as usize].get(*next) else {
                walk.settle(at);
                path.pop();
                if let Some(&(parent, _)) = path.last() {
                    walk.low[parent as usize] = walk.low[parent as usize].min(walk.low[at as usize]);
                }
                continue;
            };
            *next += 1;
            if walk.met[to as usize] == 0 {
                walk.meet(to);
                path.push((to, 0));
            } else if walk.group[to as usize] == u32::MAX {
                walk.low[at as usize] = walk.low[at as usize].min(walk.met[to as usize]);
            }
        }
    }
    walk.group
}
