use tasker_runtime::prelude::*;

#[step_handler]
async fn peel() {}

#[step_handler]
async fn boil() {}

workflow!(a = [peel as "peel_again"]);
workflow!(b = [peel, boil as peel_again, boil as peel_again]);
workflow!(c = [peel, boil(before(peel))]);
workflow!(d = [peel, boil(after)]);
workflow!(e = [peel, boil(after())]);
workflow!(f = [peel, boil(after(peel, peel))]);
workflow!(g = [..]);
workflow!(h = [peel, ..h]);
workflow!(i = [#[inline] peel]);
workflow!(j = [peel, boil as bœil]);
workflow!(k = [peel, boil(aftr(peel))]);
workflow!(l = [peel, boil(after("peel"))]);
workflow!(m = [..a, ..a]);
workflow!(n = [#[cfg(any())] peel]);

fn main() {}
