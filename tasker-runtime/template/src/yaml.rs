//! The only file that knows the YAML library: text to tree, content to text.
//!
//! Reads events rather than values, so that keys that stand twice are seen, every value keeps its place
//! and nothing recurses. Bombs are refused while they are read: depth and size are counted as if every
//! alias were written out, and no more than that is kept.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Tag};

use crate::graph::number;
use crate::report::{Code, Findings, Found, Span};
use crate::scalar;
use crate::tree::{Content, MAX_DEPTH, Node, NodeId, Tree, too_deep};

/// How many values a file may hold, aliases written out; each 64 bytes of a text count as one more.
const MAX_VALUES: u32 = 250_000;

/// What one value costs with every alias in it written out.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    values: u32,
    depth: usize,
}

/// A list or a mapping that is being read; of a mapping, keys and values in turn.
struct Frame {
    id: NodeId,
    is_map: bool,
    anchor: usize,
    items: Vec<NodeId>,
    cost: Cost,
}

struct Reading<'t> {
    tree: Tree<'t>,
    /// The cost of each node that is complete.
    costs: Vec<Cost>,
    frames: Vec<Frame>,
    /// The nodes that aliases may name, complete ones only.
    anchors: HashMap<usize, NodeId>,
    found: Findings,
    spent: u32,
    has_root: bool,
}

/// Reads the one document of `source`. The mistakes that can be read past come with the tree.
///
/// # Errors
/// The mistake that ended the reading, after those found until then.
pub(crate) fn read(source: &str) -> Result<(Tree<'_>, Findings), Findings> {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    options.emit_unresolved_aliases = true;
    // Ours is lower and names the place in our words.
    options.flow_nesting_limit = MAX_DEPTH + 20;
    options.block_nesting_limit = MAX_DEPTH + 20;
    let mut reading = Reading {
        tree: Tree { nodes: Vec::new(), root: 0, source },
        costs: Vec::new(),
        frames: Vec::new(),
        anchors: HashMap::new(),
        found: Findings::default(),
        spent: 0,
        has_root: false,
    };
    for event in Parser::new_from_str_with_options(source, options) {
        let step = match event {
            Ok((Event::DocumentStart(..), span)) if reading.has_root => {
                reading.found.mistake(several(convert(span)));
                break;
            }
            Ok((event, span)) => reading.event(event, span),
            Err(error) => Err(syntax(source, &error)),
        };
        if let Err(last) = step {
            reading.found.mistake(last);
            return Err(reading.found);
        }
    }
    if reading.has_root {
        return Ok((reading.tree, reading.found));
    }
    reading.found.mistake(empty());
    Err(reading.found)
}

/// Writes a value as YAML.
pub(crate) fn write(value: &impl Serialize) -> String {
    // Keys are text and numbers finite: nothing in a template is beyond YAML.
    serde_saphyr::to_string(value).unwrap_or_default()
}

impl<'t> Reading<'t> {
    fn event(&mut self, event: Event<'t>, place: granit_parser::Span) -> Result<(), Found> {
        let span = convert(place);
        let tag_at = place.tag_span().map_or(span, convert);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), tag_at);
                self.scalar(text, style, tag, anchor, span)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), tag_at);
                self.open(false, anchor, span)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), tag_at);
                self.open(true, anchor, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(&id) => self.place(id, span),
                None => self.unusable_alias("an alias inside the value it names would never end", span),
            },
            Event::UnresolvedAlias(name) => {
                self.unusable_alias(&format!("no anchor `&{name}` stands before this alias"), span)
            }
            _ => Ok(()),
        }
    }

    fn unusable_alias(&mut self, message: &str, span: Span) -> Result<(), Found> {
        self.found.mistake(Found { span, code: Code::Syntax, message: message.to_owned(), help: None });
        let id = self.push(Content::Broken, span, Cost { values: 1, depth: 0 });
        self.place(id, span)
    }

    fn scalar(
        &mut self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        tag: Option<&str>,
        anchor: usize,
        span: Span,
    ) -> Result<(), Found> {
        let cost = Cost { values: 1 + number(text.len()) / 64, depth: 0 };
        let plain = style == ScalarStyle::Plain;
        let content = match tag {
            None => Content::Broken,
            Some("str" | "!") => Content::Text(text),
            Some("") if !plain => Content::Text(text),
            Some(_) => match scalar::resolve(text) {
                Ok(content) => content,
                Err(why) => {
                    let message =
                        format!("this number {why}: a template keeps numbers exactly or not at all");
                    let help = Some("write another number, or text in quotes where text is meant".to_owned());
                    self.found.mistake(Found { span, code: Code::InexactNumber, message, help });
                    Content::Broken
                }
            },
        };
        let content = match content {
            Content::Text(text) if text.contains('\0') => {
                let message = "this text holds a NUL character, which databases refuse".to_owned();
                let help = Some("remove the `\\0`".to_owned());
                self.found.mistake(Found { span, code: Code::BadText, message, help });
                Content::Broken
            }
            content => content,
        };
        let id = self.push(content, span, cost);
        self.name(anchor, id);
        self.place(id, span)
    }

    /// The name of a tag of YAML's own, empty for none; any other is a mistake and gives `None`.
    fn tag<'a>(&mut self, tag: Option<&'a Tag>, span: Span) -> Option<&'a str> {
        let Some(tag) = tag else { return Some("") };
        match (tag.handle(), tag.suffix()) {
            ("!", "") | ("", "!") => return Some("!"),
            ("tag:yaml.org,2002:", name @ ("str" | "int" | "float" | "bool" | "null" | "seq" | "map")) => {
                return Some(name);
            }
            (handle, suffix) => {
                let message = format!("the tag `{handle}{suffix}` means nothing here");
                let help = Some("remove it".to_owned());
                self.found.mistake(Found { span, code: Code::UnknownTag, message, help });
            }
        }
        None
    }

    fn open(&mut self, is_map: bool, anchor: usize, span: Span) -> Result<(), Found> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        let id = self.push(Content::Broken, span, Cost::default());
        self.frames.push(Frame { id, is_map, anchor, items: Vec::new(), cost: Cost { values: 1, depth: 1 } });
        self.spend(1, span)
    }

    fn close(&mut self, span: Span) -> Result<(), Found> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        self.tree.nodes[frame.id as usize].span.end = span.end;
        let content =
            if frame.is_map { Content::Map(self.entries(&frame.items)) } else { Content::List(frame.items) };
        self.tree.nodes[frame.id as usize].content = content;
        self.costs[frame.id as usize] = frame.cost;
        self.name(frame.anchor, frame.id);
        // What it holds was paid for while it was open.
        self.attach(frame.id, span)
    }

    /// Keys and values in pairs, without keys that are no scalars or stand twice, the merge carried out.
    fn entries(&mut self, items: &[NodeId]) -> Vec<(NodeId, NodeId)> {
        let mut entries = Vec::with_capacity(items.len() / 2);
        for pair in items.chunks_exact(2) {
            let (key, value) = (pair[0], pair[1]);
            match &self.tree.node(key).content {
                Content::List(_) | Content::Map(_) => self.found.mistake(Found {
                    span: self.tree.span(key),
                    code: Code::BadKey,
                    message: "a key must be text, not a list or a mapping".to_owned(),
                    help: Some(
                        "`? ` and `{`, `[` before a `:` make such keys: put text in quotes".to_owned(),
                    ),
                }),
                _ => entries.push((key, value)),
            }
        }
        let mut entries = self.tree.unique(entries, &mut self.found);
        if let Some(at) = entries.iter().position(|&(key, _)| self.tree.written(key) == Some("<<")) {
            let (key, value) = entries.remove(at);
            self.merge(key, value, &mut entries);
        }
        entries
    }

    /// Adds the entries that `<<` names, where the mapping has none of its own.
    fn merge(&mut self, key: NodeId, value: NodeId, entries: &mut Vec<(NodeId, NodeId)>) {
        let sources = match &self.tree.node(value).content {
            Content::List(items) => items.as_slice(),
            _ => &[value],
        };
        let mut known: HashSet<_> = entries.iter().filter_map(|&(key, _)| self.tree.key(key)).collect();
        for &source in sources {
            let Content::Map(more) = &self.tree.node(source).content else {
                self.found.mistake(Found {
                    span: self.tree.span(key),
                    code: Code::BadMerge,
                    message: "`<<` merges mappings only".to_owned(),
                    help: Some("name a mapping by an alias: `<<: *defaults`".to_owned()),
                });
                return;
            };
            for &(key, value) in more {
                if self.tree.key(key).is_some_and(|name| known.insert(name)) {
                    entries.push((key, value));
                }
            }
        }
    }

    fn push(&mut self, content: Content<'t>, span: Span, cost: Cost) -> NodeId {
        let id = number(self.tree.nodes.len());
        self.tree.nodes.push(Node { span, content });
        self.costs.push(cost);
        id
    }

    fn name(&mut self, anchor: usize, id: NodeId) {
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
    }

    /// Puts a complete value where it stands and pays for it.
    fn place(&mut self, id: NodeId, span: Span) -> Result<(), Found> {
        self.spend(self.costs[id as usize].values, span)?;
        self.attach(id, span)
    }

    fn attach(&mut self, id: NodeId, span: Span) -> Result<(), Found> {
        let cost = self.costs[id as usize];
        if self.frames.len() + cost.depth > MAX_DEPTH {
            return Err(too_deep(span));
        }
        match self.frames.last_mut() {
            Some(frame) => {
                frame.items.push(id);
                frame.cost.values = frame.cost.values.saturating_add(cost.values);
                frame.cost.depth = frame.cost.depth.max(cost.depth + 1);
            }
            None => {
                self.tree.root = id;
                self.has_root = true;
            }
        }
        Ok(())
    }

    fn spend(&mut self, values: u32, span: Span) -> Result<(), Found> {
        self.spent = self.spent.saturating_add(values);
        if self.spent <= MAX_VALUES {
            return Ok(());
        }
        Err(Found {
            span,
            code: Code::TooManyValues,
            message: format!("the file holds more than {MAX_VALUES} values, aliases written out"),
            help: Some("split the workflow, and use aliases sparingly".to_owned()),
        })
    }
}

fn convert(span: granit_parser::Span) -> Span {
    let range = span.byte_range().unwrap_or_default();
    Span { start: number(range.start), end: number(range.end) }
}

fn syntax(source: &str, error: &granit_parser::ScanError) -> Found {
    let start = number(error.marker().byte_offset().unwrap_or(source.len()));
    let span = Span { start, end: start };
    if matches!(error.kind(), granit_parser::ErrorKind::RecursionLimitExceeded) {
        return too_deep(span);
    }
    Found { span, code: Code::Syntax, message: format!("this is no YAML: {}", error.info()), help: None }
}

fn several(span: Span) -> Found {
    Found {
        span,
        code: Code::SeveralDocuments,
        message: "a second document starts here, and a file holds one template".to_owned(),
        help: Some("move it into a file of its own".to_owned()),
    }
}

fn empty() -> Found {
    Found {
        span: Span::default(),
        code: Code::EmptyFile,
        message: "the file holds no template".to_owned(),
        help: Some("start with `name:` and `steps:`".to_owned()),
    }
}
