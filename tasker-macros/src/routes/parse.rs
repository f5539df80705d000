//! The variants of an enum of routes, and the rules they keep.

use proc_macro2::{Ident, Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Data, DeriveInput, Fields, Generics, LitStr, Meta, Path, Token};

use crate::errors::Errors;
use crate::{options, place};

/// An enum of routes.
pub(super) struct Choice {
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    pub(super) krate: Option<Path>,
    pub(super) variants: Vec<Variant>,
    /// What is derived beside it and cannot be.
    pub(super) derived: Vec<&'static str>,
}

/// One way to go.
pub(super) struct Variant {
    pub(super) ident: Ident,
    pub(super) fields: Fields,
    pub(super) leads: Leads,
}

/// Where a variant leads.
pub(super) enum Leads {
    /// To the steps of these handlers, at least one.
    To(Vec<Path>),
    /// To none, for this reason.
    Nowhere(Option<LitStr>),
    /// Nobody knows.
    Mistaken,
}

/// Reads an enum of routes; `None` where it is nothing of the kind.
pub(super) fn choice(input: TokenStream, errors: &mut Errors) -> Option<Choice> {
    let DeriveInput { attrs, ident, generics, data, .. } = errors.take(syn::parse2(input))?;
    let krate = options::krate("routes", &attrs, errors);
    let mut read = Choice {
        ident,
        generics,
        krate,
        variants: Vec::new(),
        derived: place::derived(&["Serialize", "Deserialize"]),
    };
    if !read.derived.is_empty() {
        let message = format!(
            "steps read `{}` from the decision that it stands for: do not derive {} beside `Routes`",
            read.ident,
            read.derived.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "),
        );
        errors.at_span(Span::call_site(), message);
    }
    if !read.generics.params.is_empty() {
        let message =
            "an enum of routes cannot be generic and borrows nothing: steps read what it carries from JSON";
        errors.at(&read.generics, message);
    }
    let data = match data {
        Data::Enum(data) => data,
        Data::Struct(data) => {
            errors
                .at(data.struct_token, "only an enum derives `Routes`: each of its variants is a way to go");
            return Some(read);
        }
        Data::Union(data) => {
            errors.at(data.union_token, "only an enum derives `Routes`: each of its variants is a way to go");
            return Some(read);
        }
    };
    if data.variants.is_empty() {
        errors.at(&read.ident, format!("`{}` has no variants, so it leads nowhere: add one", read.ident));
    }
    for attribute in attrs.iter().filter(|attribute| attribute.path().is_ident("route")) {
        errors.at(attribute, "`#[route]` belongs to a variant: write it there");
    }
    for variant in data.variants {
        let is_route = |attribute: &&syn::Attribute| attribute.path().is_ident("route");
        let misplaced = variant.fields.iter().flat_map(|field| &field.attrs).find(is_route);
        let leads = match misplaced {
            Some(attribute) => {
                errors.at(attribute, "`#[route]` belongs to a variant: write it there");
                Leads::Mistaken
            }
            None => leads(&variant, errors),
        };
        read.variants.push(Variant { ident: variant.ident, fields: variant.fields, leads });
    }
    Some(read)
}

fn leads(variant: &syn::Variant, errors: &mut Errors) -> Leads {
    let ident = &variant.ident;
    let mut attributes = variant.attrs.iter().filter(|attribute| attribute.path().is_ident("route"));
    let Some(attribute) = attributes.next() else {
        let message = format!(
            "`{ident}` does not say where it leads: write `#[route(approve)]`, or `#[route(skip)]` where it leads to \
             no step"
        );
        errors.at(ident, message);
        return Leads::Mistaken;
    };
    for other in attributes {
        errors.at(other, "`#[route]` is given twice: keep one, with the steps of both");
    }
    let tokens = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
    };
    if tokens.is_empty() {
        errors.at(attribute, FORM);
        return Leads::Mistaken;
    }
    match syn::parse2::<Leads>(tokens) {
        Ok(leads) => {
            is_listed_once(&leads, errors);
            leads
        }
        Err(error) => {
            errors.push(error);
            Leads::Mistaken
        }
    }
}

const FORM: &str =
    "name the steps that this variant leads to: `#[route(approve)]`, or `#[route(skip)]` for none";

impl Parse for Leads {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(syn::Ident) && input.fork().parse::<Ident>()? == "skip" && !input.peek2(Token![::]) {
            input.parse::<Ident>()?;
            let reason = match input.parse::<Option<Token![=]>>()? {
                Some(_) => Some(input.parse::<LitStr>().map_err(|error| {
                    let message = "the reason is text for people: `#[route(skip = \"nothing to approve\")]`";
                    syn::Error::new(error.span(), message)
                })?),
                None => None,
            };
            if !input.is_empty() {
                let message =
                    "`skip` stands alone, since it leads to no step; a step of this name is `self::skip`";
                return Err(input.error(message));
            }
            return Ok(Self::Nowhere(reason));
        }
        let mut paths = Vec::new();
        while !input.is_empty() {
            if let Ok(text) = input.fork().parse::<LitStr>() {
                let message =
                    format!("a step is named by its function, without quotes: write `{}`", text.value());
                return Err(syn::Error::new(text.span(), message));
            }
            let path = input.call(Path::parse_mod_style);
            paths.push(path.map_err(|error| syn::Error::new(error.span(), FORM))?);
            if !input.is_empty() {
                input.parse::<Token![,]>().map_err(|error| syn::Error::new(error.span(), FORM))?;
            }
        }
        Ok(Self::To(paths))
    }
}

/// Whether two paths lead to one handler, as far as their form tells.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let names = |path: &Path| {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.clone()).collect();
        let own = names.len() == 2 && names[0] == "self";
        names[usize::from(own)..].to_vec()
    };
    one.leading_colon.is_some() == other.leading_colon.is_some() && names(one) == names(other)
}

fn is_listed_once(leads: &Leads, errors: &mut Errors) {
    let Leads::To(paths) = leads else { return };
    for (index, path) in paths.iter().enumerate() {
        if paths[..index].iter().any(|other| is_same(other, path)) {
            let name = path.segments.last().map(|last| last.ident.unraw().to_string()).unwrap_or_default();
            errors.at(path, format!("route `{name}` is listed twice: keep one"));
        }
    }
}
