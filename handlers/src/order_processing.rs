//! A web shop's checkout in plain functions: check the cart, charge, take from stock, order, confirm.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

use crate::{money::Money, number::overflow, reference::reference};

const TAX_PERCENT: i64 = 8;

/// The context.
#[derive(Debug, Clone, Deserialize)]
pub struct Cart {
    #[serde(default)]
    cart_items: Vec<CartItem>,
    payment_token: String,
    customer_email: String,
}

/// One line of the cart.
#[derive(Debug, Clone, Deserialize)]
pub struct CartItem {
    product_id: ProductId,
    quantity: i64,
    price: Money,
}

/// A product's number or code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ProductId {
    /// As in `7`.
    Number(u64),
    /// As in `"mug-blue"`.
    Code(String),
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "product {number}"),
            Self::Code(code) => write!(f, "product {code}"),
        }
    }
}

/// What `validate_cart` returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ValidCart {
    validated_items: Vec<ValidItem>,
    subtotal: Money,
    tax: Money,
    total: Money,
}

/// One line of the cart with its price.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ValidItem {
    product_id: ProductId,
    quantity: i64,
    price: Money,
    line_total: Money,
}

/// What `process_payment_cart` returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CartPayment {
    payment_id: String,
    amount_charged: Money,
}

/// What `update_inventory` returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Inventory {
    updated_products: Vec<Taken>,
    total_items: i64,
}

/// How much was taken from stock of one product.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Taken {
    product_id: ProductId,
    quantity: i64,
}

/// What `create_order` returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreatedOrder {
    order_id: String,
    payment_id: String,
    total: Money,
    total_items: i64,
    created_at: Timestamp,
}

/// What `send_confirmation` returns: the result of the workflow.
#[derive(Debug, Serialize, Deserialize)]
pub struct Confirmation {
    order_id: String,
    recipient: String,
    subject: String,
}

/// Adds up the cart, with tax.
///
/// # Errors
///
/// Permanent: `MISSING_CUSTOMER_EMAIL`, `EMPTY_CART`, `INVALID_QUANTITY`, `INVALID_PRICE`, `OVERFLOW`.
#[step_handler]
pub async fn validate_cart(cart: Cart) -> Result<ValidCart, StepError> {
    if cart.customer_email.trim().is_empty() {
        return Err(StepError::permanent("MISSING_CUSTOMER_EMAIL", "the customer has no email address"));
    }
    if cart.cart_items.is_empty() {
        return Err(StepError::permanent("EMPTY_CART", "the cart has no items"));
    }
    let mut validated_items = Vec::new();
    let mut subtotal = Money::ZERO;
    for CartItem { product_id, quantity, price } in cart.cart_items {
        if quantity <= 0 {
            return Err(StepError::permanent("INVALID_QUANTITY", format!("{product_id}: {quantity} pieces")));
        }
        if price < Money::ZERO {
            return Err(StepError::permanent("INVALID_PRICE", format!("{product_id}: a price of {price}")));
        }
        let line_total = price.times(quantity).ok_or_else(overflow)?;
        subtotal = subtotal.plus(line_total).ok_or_else(overflow)?;
        validated_items.push(ValidItem { product_id, quantity, price, line_total });
    }
    let tax = subtotal.percent(TAX_PERCENT).ok_or_else(overflow)?;
    let total = subtotal.plus(tax).ok_or_else(overflow)?;
    Ok(ValidCart { validated_items, subtotal, tax, total })
}

/// Charges the customer. The key makes a repeated attempt the same payment.
///
/// # Errors
///
/// Permanent `PAYMENT_DECLINED` for `tok_declined`, retryable `GATEWAY_DOWN` for `tok_gateway_down`.
#[step_handler]
pub async fn process_payment_cart(
    cart: Cart,
    #[depends_on(validate_cart)] valid: ValidCart,
    key: IdempotencyKey,
) -> Result<CartPayment, StepError> {
    match cart.payment_token.as_str() {
        "tok_declined" => Err(StepError::permanent("PAYMENT_DECLINED", "the payment was declined")),
        "tok_gateway_down" => {
            Err(StepError::retryable("GATEWAY_DOWN", "the payment gateway does not answer"))
        }
        _ => Ok(CartPayment { payment_id: reference("PAY", &key), amount_charged: valid.total }),
    }
}

/// Takes what was paid for from stock.
///
/// # Errors
///
/// Permanent `OVERFLOW` when the pieces cannot be counted.
#[step_handler]
pub async fn update_inventory(
    #[depends_on(validate_cart)] valid: ValidCart,
    #[depends_on(process_payment_cart)] _payment: CartPayment,
) -> Result<Inventory, StepError> {
    let mut total_items: i64 = 0;
    let mut updated_products = Vec::new();
    for ValidItem { product_id, quantity, .. } in valid.validated_items {
        total_items = total_items.checked_add(quantity).ok_or_else(overflow)?;
        updated_products.push(Taken { product_id, quantity });
    }
    Ok(Inventory { updated_products, total_items })
}

/// Writes down the order.
#[step_handler]
pub async fn create_order(
    #[depends_on(process_payment_cart)] payment: CartPayment,
    #[depends_on(update_inventory)] inventory: Inventory,
    key: IdempotencyKey,
) -> CreatedOrder {
    CreatedOrder {
        order_id: reference("ORD", &key),
        payment_id: payment.payment_id,
        total: payment.amount_charged,
        total_items: inventory.total_items,
        created_at: Timestamp::now(),
    }
}

/// Tells the customer.
#[step_handler]
pub async fn send_confirmation(cart: Cart, #[depends_on(create_order)] order: CreatedOrder) -> Confirmation {
    let CreatedOrder { order_id, total, .. } = order;
    let subject = format!("Your order {order_id} over {total}");
    Confirmation { order_id, recipient: cart.customer_email, subject }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json, to_value};

    use super::*;

    fn cart(items: &Value, token: &str) -> Cart {
        serde_json::from_value(json!({
            "cart_items": items, "payment_token": token, "customer_email": "ada@example.com",
        }))
        .unwrap()
    }

    fn mugs() -> Value {
        json!([
            {"product_id": 7, "quantity": 3, "price": 9.99},
            {"product_id": "mug-blue", "quantity": 1, "price": 12},
        ])
    }

    #[tokio::test]
    async fn cart_becomes_a_paid_and_confirmed_order() {
        let cart = cart(&mugs(), "tok_visa");
        let valid = validate_cart(cart.clone()).await.unwrap();
        assert_eq!(
            to_value(&valid).unwrap(),
            json!({
                "validated_items": [
                    {"product_id": 7, "quantity": 3, "price": 9.99, "line_total": 29.97},
                    {"product_id": "mug-blue", "quantity": 1, "price": 12.0, "line_total": 12.0},
                ],
                "subtotal": 41.97, "tax": 3.36, "total": 45.33,
            })
        );
        let payment =
            process_payment_cart(cart.clone(), valid.clone(), IdempotencyKey::new("a:pay")).await.unwrap();
        assert_eq!(
            to_value(&payment).unwrap(),
            json!({"payment_id": "PAY-CEFF519798A3", "amount_charged": 45.33})
        );
        let inventory = update_inventory(valid, payment.clone()).await.unwrap();
        assert_eq!(
            to_value(&inventory).unwrap(),
            json!({"updated_products": [{"product_id": 7, "quantity": 3}, {"product_id": "mug-blue", "quantity": 1}],
                   "total_items": 4})
        );
        let order = create_order(payment, inventory, IdempotencyKey::new("a:order")).await;
        let confirmation = send_confirmation(cart, order).await;
        assert_eq!(
            to_value(confirmation).unwrap(),
            json!({"order_id": "ORD-31DFEA3E962D", "recipient": "ada@example.com",
                   "subject": "Your order ORD-31DFEA3E962D over 45.33"})
        );
    }

    #[tokio::test]
    async fn wrong_carts_are_refused_each_with_its_code() {
        let one =
            |quantity: i64, price: f64| json!([{"product_id": 1, "quantity": quantity, "price": price}]);
        for (items, code) in [
            (json!([]), "EMPTY_CART"),
            (one(0, 1.0), "INVALID_QUANTITY"),
            (one(1, -1.0), "INVALID_PRICE"),
            (one(i64::MAX, 1.0), "OVERFLOW"),
        ] {
            let error = validate_cart(cart(&items, "tok_visa")).await.unwrap_err();
            assert_eq!((error.code(), error.is_retryable()), (code, false), "{items}");
        }
        let nobody = Cart { customer_email: String::new(), ..cart(&mugs(), "tok_visa") };
        assert_eq!(validate_cart(nobody).await.unwrap_err().code(), "MISSING_CUSTOMER_EMAIL");
    }

    #[tokio::test]
    async fn declined_is_final_and_a_gateway_that_is_down_is_not() {
        for (token, code, retryable) in
            [("tok_declined", "PAYMENT_DECLINED", false), ("tok_gateway_down", "GATEWAY_DOWN", true)]
        {
            let cart = cart(&mugs(), token);
            let valid = validate_cart(cart.clone()).await.unwrap();
            let error = process_payment_cart(cart, valid, IdempotencyKey::new("k")).await.unwrap_err();
            assert_eq!((error.code(), error.is_retryable()), (code, retryable));
        }
    }
}
