//! `workflow!`: parse, check, expand.
//!
//! What a list of steps has to keep among themselves is not known here, since names and edges belong
//! to the handlers: the expansion leaves that to a constant. Which conditions hold is not known either: the
//! compiler chooses among two workflows for each.

mod entries;
mod expand;
mod limits;
mod parse;
mod schedule;

use proc_macro2::TokenStream;

use crate::errors::Errors;
use crate::place;

/// Expands the macro.
pub(crate) fn workflow(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let read = parse::workflow(input, &mut errors);
    if place::is_value() {
        let mut errors = Errors::default();
        let name = read.map_or_else(|| "checkout".to_owned(), |workflow| workflow.ident.to_string());
        let message = format!(
            "a workflow is an item, as a function is: write `workflow!({name} = [..]);` outside of the function, and \
             `{name}` here"
        );
        errors.at_span(proc_macro2::Span::call_site(), message);
        return errors.to_tokens();
    }
    match read {
        Some(workflow) if errors.is_empty() && workflow.is_conditional() => expand::either(&workflow),
        Some(workflow) if errors.is_empty() => expand::whole(&workflow),
        Some(workflow) => expand::mistaken(&workflow, &errors),
        None => errors.to_tokens(),
    }
}
