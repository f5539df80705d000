//! The graph against a naive reading of the same edges.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use proptest::prelude::*;
use tasker_template::{Graph, Step, Template};

/// Every ancestor by following all edges until nothing new is found.
fn ancestors(edges: &[Vec<u32>], step: u32) -> HashSet<u32> {
    let mut found: HashSet<u32> = edges[step as usize].iter().copied().collect();
    loop {
        let more: HashSet<u32> = found.iter().flat_map(|&step| edges[step as usize].clone()).collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

/// Edges to any step, so cycles occur.
fn any_edges(most: u32) -> impl Strategy<Value = Vec<Vec<u32>>> {
    (1..most).prop_flat_map(|count| {
        prop::collection::vec(prop::collection::hash_set(0..count, 0..3), count as usize)
            .prop_map(|lists| lists.into_iter().map(|list| list.into_iter().collect()).collect())
    })
}

/// Edges to earlier steps in a shuffled numbering, so there are no cycles.
fn acyclic(most: usize) -> impl Strategy<Value = Vec<Vec<u32>>> {
    (1..most).prop_flat_map(|count| {
        let order = Just((0..count as u32).collect::<Vec<_>>()).prop_shuffle();
        let picks = prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), count);
        (order, picks).prop_map(|(order, picks)| {
            let mut edges = vec![Vec::new(); order.len()];
            for (at, picks) in picks.iter().enumerate().skip(1) {
                let chosen: HashSet<u32> = picks.iter().map(|pick| order[pick.index(at)]).collect();
                edges[order[at] as usize] = chosen.into_iter().collect();
            }
            edges
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn order_puts_every_step_after_its_dependencies(edges in acyclic(60)) {
        let graph = Graph::new(&edges).unwrap();
        let mut place = vec![usize::MAX; edges.len()];
        graph.order().iter().enumerate().for_each(|(at, &step)| place[step as usize] = at);
        prop_assert!(place.iter().all(|&at| at != usize::MAX));
        for (step, list) in edges.iter().enumerate() {
            prop_assert!(list.iter().all(|&to| place[to as usize] < place[step]));
        }
    }

    #[test]
    fn ancestors_are_what_the_edges_lead_to(edges in acyclic(40)) {
        let graph = Graph::new(&edges).unwrap();
        for step in 0..edges.len() as u32 {
            let expected = ancestors(&edges, step);
            for candidate in 0..edges.len() as u32 {
                prop_assert_eq!(graph.is_ancestor(step, candidate), expected.contains(&candidate));
            }
            let mut sorted: Vec<u32> = expected.into_iter().collect();
            sorted.sort_unstable();
            prop_assert_eq!(graph.ancestors(step), sorted);
        }
    }

    #[test]
    fn dependents_mirror_dependencies(edges in acyclic(40)) {
        let graph = Graph::new(&edges).unwrap();
        for step in 0..edges.len() as u32 {
            prop_assert_eq!(graph.dependencies(step), &edges[step as usize][..]);
            let expected: Vec<u32> =
                (0..edges.len() as u32).filter(|&other| edges[other as usize].contains(&step)).collect();
            prop_assert_eq!(graph.dependents(step), &expected[..]);
            prop_assert_eq!(graph.leaves().contains(&step), expected.is_empty());
        }
    }

    #[test]
    fn every_group_of_waiting_steps_has_one_true_cycle(edges in any_edges(25)) {
        let groups: HashSet<Vec<u32>> = (0..edges.len() as u32)
            .filter(|&step| ancestors(&edges, step).contains(&step))
            .map(|step| {
                let own = ancestors(&edges, step);
                let mut group: Vec<u32> =
                    own.into_iter().filter(|&other| ancestors(&edges, other).contains(&step)).collect();
                group.sort_unstable();
                group
            })
            .collect();
        let cycles = Graph::new(&edges).err().unwrap_or_default();
        prop_assert_eq!(cycles.len(), groups.len());
        for cycle in cycles {
            let nexts = cycle.iter().cycle().skip(1);
            prop_assert!(cycle.iter().zip(nexts).all(|(&from, to)| edges[from as usize].contains(to)));
            let distinct: HashSet<&u32> = cycle.iter().collect();
            prop_assert_eq!(distinct.len(), cycle.len());
        }
    }
}

#[test]
fn the_longest_path_gives_the_depth() {
    let graph = Graph::new(&[vec![], vec![0], vec![0], vec![1, 2], vec![0]]).unwrap();
    assert_eq!((graph.depth(), graph.level(3), graph.leaves()), (3, 2, vec![3, 4]));
    assert_eq!(Graph::new(&[]).unwrap().depth(), 0);
}

#[test]
fn ten_thousand_steps_in_layers_answer_at_once() {
    let mut builder = Template::builder("layers");
    for step in 0..10_000_u32 {
        let above = step.saturating_sub(100) / 100 * 100;
        let after = (above..above + 10).filter(|_| step >= 100).map(|above| format!("s{above}"));
        builder = builder.step(Step::new(format!("s{step}")).after(after));
    }
    let template = builder.build().unwrap();
    assert_eq!(template.depth(), 100);
    assert!(template.is_ancestor(9_999, 5));
    assert!(!template.is_ancestor(9_999, 11));
    assert!(!template.is_ancestor(5, 9_999));
}
