//! The values of a file with their places, in one array and without recursion.
//!
//! Whether they come from YAML text or from a JSON value, what reads them is the same: so a template
//! written in code passes exactly the checks of one in a file.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Number, Value};

use crate::report::{Code, Findings, Found, Span};

/// How deeply collections may nest. Below serde_json's own limit, so that what was read can be
/// written as JSON and read again.
pub(crate) const MAX_DEPTH: usize = 100;

/// The index of a node.
pub(crate) type NodeId = u32;

/// One value and its place.
#[derive(Debug)]
pub(crate) struct Node<'t> {
    pub(crate) span: Span,
    pub(crate) content: Content<'t>,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Content<'t> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'t, str>),
    List(Vec<NodeId>),
    Map(Vec<(NodeId, NodeId)>),
    /// A mistake was reported for it already; whoever reads it says nothing more.
    Broken,
}

/// The values of one document. Aliases share a node, so the tree is as small as its file.
#[derive(Debug)]
pub(crate) struct Tree<'t> {
    pub(crate) nodes: Vec<Node<'t>>,
    pub(crate) root: NodeId,
    /// The text it was read from, for numbers as they are written.
    pub(crate) source: &'t str,
}

/// A collection of a JSON value that is being laid out.
enum Frame {
    List(NodeId, std::vec::IntoIter<Value>, Vec<NodeId>),
    Map(NodeId, serde_json::map::IntoIter, Vec<(NodeId, NodeId)>),
}

impl<'t> Tree<'t> {
    pub(crate) fn node(&self, id: NodeId) -> &Node<'t> {
        &self.nodes[id as usize]
    }

    pub(crate) fn span(&self, id: NodeId) -> Span {
        self.node(id).span
    }

    /// The text of a key or of a scalar, as it is written where it is no text; without the leading
    /// colons of Ruby's symbols. `None` for collections.
    pub(crate) fn key(&self, id: NodeId) -> Option<Cow<'_, str>> {
        Some(match &self.node(id).content {
            Content::Text(text) => Cow::Borrowed(match text.trim_start_matches(':') {
                "" => text,
                rest => rest,
            }),
            Content::Null | Content::Bool(_) | Content::Number(_) => Cow::Borrowed(self.written(id)?),
            Content::List(_) | Content::Map(_) | Content::Broken => return None,
        })
    }

    /// A plain scalar as the file writes it.
    pub(crate) fn written(&self, id: NodeId) -> Option<&'t str> {
        let span = self.span(id);
        self.source.get(span.start as usize..span.end as usize).filter(|text| !text.is_empty())
    }

    /// Lays out a JSON value. Spans number the nodes, since there is no text.
    pub(crate) fn from_json(value: Value) -> Result<(Tree<'static>, Findings), Found> {
        let mut tree = Tree { nodes: Vec::new(), root: 0, source: "" };
        let mut found = Findings::default();
        let mut frames: Vec<Frame> = Vec::new();
        let mut next = Some(value);
        loop {
            if let Some(value) = next.take() {
                if frames.len() > MAX_DEPTH {
                    return Err(too_deep(Span::default()));
                }
                tree.push_json(value, &mut frames);
            }
            let length = crate::graph::number(tree.nodes.len());
            match frames.last_mut() {
                None => return Ok((tree, found)),
                Some(Frame::List(_, rest, items)) => {
                    next = rest.next();
                    if next.is_some() {
                        items.push(length);
                        continue;
                    }
                }
                Some(Frame::Map(_, rest, entries)) => {
                    if let Some((key, value)) = rest.next() {
                        next = Some(value);
                        entries.push((length, length + 1));
                        let span = Span { start: length, end: length + 1 };
                        tree.nodes.push(Node { span, content: Content::Text(Cow::Owned(key)) });
                        continue;
                    }
                }
            }
            match frames.pop() {
                Some(Frame::List(id, _, items)) => tree.close(id, Content::List(items)),
                Some(Frame::Map(id, _, entries)) => {
                    let entries = tree.unique(entries, &mut found);
                    tree.close(id, Content::Map(entries));
                }
                None => {}
            }
        }
    }

    fn push_json(&mut self, value: Value, frames: &mut Vec<Frame>) {
        let id = crate::graph::number(self.nodes.len());
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(value),
            Value::Number(number) => Content::Number(number),
            Value::String(text) => Content::Text(Cow::Owned(text)),
            Value::Array(items) => {
                frames.push(Frame::List(id, items.into_iter(), Vec::new()));
                Content::Broken
            }
            Value::Object(map) => {
                frames.push(Frame::Map(id, map.into_iter(), Vec::new()));
                Content::Broken
            }
        };
        self.nodes.push(Node { span: Span { start: id, end: id + 1 }, content });
    }

    fn close(&mut self, id: NodeId, content: Content<'t>) {
        let end = crate::graph::number(self.nodes.len());
        let node = &mut self.nodes[id as usize];
        node.span.end = end;
        node.content = content;
    }

    /// The entries of a mapping without those whose key stood there before; each is a mistake.
    pub(crate) fn unique(
        &self,
        entries: Vec<(NodeId, NodeId)>,
        found: &mut Findings,
    ) -> Vec<(NodeId, NodeId)> {
        let mut seen = HashSet::with_capacity(entries.len());
        let mut kept = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Some(name) = self.key(key) else { continue };
            if seen.contains(&name) {
                found.mistake(Found {
                    span: self.span(key),
                    code: Code::DuplicateKey,
                    message: format!("the key `{}` stands here twice", shown(&name)),
                    help: Some("remove one of the two".to_owned()),
                });
            } else {
                seen.insert(name);
                kept.push((key, value));
            }
        }
        kept
    }

    /// The way from the root to the value or key at `span`.
    pub(crate) fn path(&self, span: Span) -> String {
        let mut path = String::new();
        let mut at = self.root;
        loop {
            match &self.node(at).content {
                Content::List(items) => {
                    let hit = items.iter().enumerate().find(|&(_, &item)| self.span(item).contains(span));
                    let Some((index, &item)) = hit else { return path };
                    path.push_str(&format!("[{index}]"));
                    at = item;
                }
                Content::Map(entries) => {
                    let hit = entries
                        .iter()
                        .find(|&&(key, value)| self.span(key) == span || self.span(value).contains(span));
                    let Some(&(key, value)) = hit else { return path };
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&self.key(key).unwrap_or_default());
                    if self.span(key) == span {
                        return path;
                    }
                    at = value;
                }
                _ => return path,
            }
        }
    }

    /// A node as a JSON value, keys without leading colons and sorted, so that equal values have equal
    /// text.
    pub(crate) fn to_json(&self, id: NodeId) -> Value {
        enum Work {
            Enter(NodeId),
            List(usize),
            Map(Vec<String>),
        }
        let mut work = vec![Work::Enter(id)];
        let mut values: Vec<Value> = Vec::new();
        while let Some(step) = work.pop() {
            match step {
                Work::Enter(id) => match &self.node(id).content {
                    Content::Null | Content::Broken => values.push(Value::Null),
                    Content::Bool(value) => values.push(Value::Bool(*value)),
                    Content::Number(number) => values.push(Value::Number(plain_zero(number))),
                    Content::Text(text) => values.push(Value::String(text.clone().into_owned())),
                    Content::List(items) => {
                        work.push(Work::List(items.len()));
                        work.extend(items.iter().rev().map(|&item| Work::Enter(item)));
                    }
                    Content::Map(entries) => {
                        let keys = entries.iter().map(|&(key, _)| self.key(key).unwrap_or_default().into());
                        work.push(Work::Map(keys.collect()));
                        work.extend(entries.iter().rev().map(|&(_, value)| Work::Enter(value)));
                    }
                },
                Work::List(length) => {
                    let items = values.split_off(values.len() - length);
                    values.push(Value::Array(items));
                }
                Work::Map(keys) => {
                    let items = values.split_off(values.len() - keys.len());
                    let mut map: Map<String, Value> = keys.into_iter().zip(items).collect();
                    map.sort_keys();
                    values.push(Value::Object(map));
                }
            }
        }
        values.pop().unwrap_or_default()
    }
}

/// The one zero of a number: −0.0 equals 0.0 and must have the same text.
fn plain_zero(number: &Number) -> Number {
    match number.as_f64() {
        Some(0.0) if number.is_f64() => Number::from_f64(0.0).unwrap_or_else(|| Number::from(0)),
        _ => number.clone(),
    }
}

pub(crate) fn too_deep(span: Span) -> Found {
    Found {
        span,
        code: Code::TooDeep,
        message: format!("lists and mappings nest more than {MAX_DEPTH} deep here"),
        help: Some("flatten the structure".to_owned()),
    }
}

/// A name inside a message: cut where it would fill the screen.
pub(crate) fn shown(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(80) {
        Some((at, _)) => Cow::Owned(format!("{}…", &name[..at])),
        None => Cow::Borrowed(name),
    }
}
