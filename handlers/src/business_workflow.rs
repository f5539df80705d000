//! An order on its way through a shop: validate, reserve, charge, ship. What fails on the way undoes what
//! was done before.

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tasker_runtime::prelude::*;

use crate::{money::Money, reference::reference};

/// What the shop sells: sku, name, pieces in stock.
const CATALOGUE: [(&str, &str, i64); 3] = [
    ("WIDGET-001", "Premium Widget A", 100),
    ("WIDGET-002", "Deluxe Widget B", 50),
    ("GADGET-002", "Standard Gadget C", 200),
];

/// Where no carrier goes, by code and by name.
const NOT_SERVED: [&str; 2] = ["AQ", "Antarctica"];

/// Larger orders are refused.
const MOST: Money = Money::whole(50_000);

/// The context.
#[derive(Debug, Clone, Deserialize)]
pub struct Order {
    customer: Customer,
    #[serde(default)]
    items: Vec<Item>,
    payment: PaymentMeans,
    shipping: Shipping,
}

/// Who ordered.
#[derive(Debug, Clone, Deserialize)]
pub struct Customer {
    email: Option<String>,
}

/// One line of the order.
#[derive(Debug, Clone, Deserialize)]
pub struct Item {
    sku: String,
    quantity: i64,
    price: Money,
}

/// How the order is paid.
#[derive(Debug, Clone, Deserialize)]
pub struct PaymentMeans {
    #[serde(rename = "method")]
    _method: PaymentMethod,
    token: String,
}

/// The means that the shop takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// By credit card.
    CreditCard,
    /// By debit card.
    DebitCard,
    /// By PayPal.
    Paypal,
}

/// How and where to the order goes.
#[derive(Debug, Clone, Deserialize)]
pub struct Shipping {
    method: ShippingMethod,
    // Text or fields: the carrier's business.
    address: Value,
}

/// How fast the order goes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShippingMethod {
    /// Five business days.
    Standard,
    /// Two business days.
    Express,
    /// One business day.
    Overnight,
}

/// What `validate_order` returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ValidOrder {
    validated_items: Vec<ValidItem>,
    order_total: Money,
}

/// One line of the order, as the shop knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ValidItem {
    sku: String,
    product_name: String,
    quantity: i64,
    unit_price: Money,
    line_total: Money,
}

/// What `reserve_inventory` returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reservation {
    reservation_id: String,
    expires_at: Timestamp,
}

/// What `process_payment` returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payment {
    payment_id: String,
    transaction_id: String,
    amount_charged: Money,
}

/// What `release_inventory` returns.
#[derive(Debug, Serialize, Deserialize)]
pub struct Release {
    reservation_id: String,
    released: bool,
}

/// What `refund_payment` returns.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refund {
    refund_id: String,
    payment_id: String,
    amount_refunded: Money,
}

/// What `ship_order` returns: the result of the workflow.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shipment {
    shipment_id: String,
    tracking_number: String,
    carrier: String,
    estimated_delivery: Date,
}

/// Checks the order against the catalogue and adds up what it costs.
///
/// # Errors
///
/// Permanent when the order itself is wrong, retryable when only the stock does not suffice.
#[step_handler]
pub async fn validate_order(order: Order) -> Result<ValidOrder, StepError> {
    if order.customer.email.is_none_or(|email| email.trim().is_empty()) {
        return Err(StepError::permanent("MISSING_CUSTOMER_EMAIL", "the customer has no email address"));
    }
    if order.items.is_empty() {
        return Err(StepError::permanent("EMPTY_ORDER_ITEMS", "the order has no items"));
    }
    let too_high =
        || StepError::permanent("ORDER_TOTAL_TOO_HIGH", format!("the order comes to more than {MOST}"));
    let mut validated_items: Vec<ValidItem> = Vec::new();
    let mut order_total = Money::ZERO;
    for Item { sku, quantity, price } in order.items {
        if quantity <= 0 {
            return Err(StepError::permanent("INVALID_QUANTITY", format!("{sku}: {quantity} pieces")));
        }
        if price < Money::ZERO {
            return Err(StepError::permanent("INVALID_PRICE", format!("{sku}: a price of {price}")));
        }
        let Some((_, product_name, stock)) = CATALOGUE.iter().find(|product| product.0 == sku) else {
            return Err(StepError::permanent("PRODUCT_NOT_FOUND", format!("{sku} is not in the catalogue")));
        };
        let taken: i64 =
            validated_items.iter().filter(|item| item.sku == sku).map(|item| item.quantity).sum();
        let left = stock - taken;
        if quantity > left {
            return Err(StepError::retryable(
                "INSUFFICIENT_STOCK",
                format!("{sku}: {quantity} wanted, {left} left"),
            ));
        }
        let line_total = price.times(quantity).ok_or_else(too_high)?;
        order_total = order_total.plus(line_total).ok_or_else(too_high)?;
        let product_name = (*product_name).to_owned();
        validated_items.push(ValidItem { sku, product_name, quantity, unit_price: price, line_total });
    }
    if order_total > MOST {
        return Err(too_high());
    }
    Ok(ValidOrder { validated_items, order_total })
}

/// Sets the pieces aside for 15 minutes.
#[step_handler]
pub async fn reserve_inventory(
    #[depends_on(validate_order)] _order: ValidOrder,
    key: IdempotencyKey,
) -> Reservation {
    Reservation {
        reservation_id: reference("RES", &key),
        expires_at: Timestamp::now() + SignedDuration::from_mins(15),
    }
}

/// Gives the pieces back to the stock, should the order fail later on.
#[step_handler(retry(max_attempts = 10, base = "1s", max = "5m"))]
#[compensates(reserve_inventory)]
pub async fn release_inventory(#[depends_on(reserve_inventory)] reservation: Reservation) -> Release {
    Release { reservation_id: reservation.reservation_id, released: true }
}

/// Charges the customer, once: the provider knows the payment by its key, however often it is asked.
///
/// # Errors
///
/// Permanent `PAYMENT_DECLINED` for `tok_declined`, retryable `GATEWAY_DOWN` for `tok_gateway_down`.
#[step_handler]
pub async fn process_payment(
    order: Order,
    #[depends_on(validate_order)] valid: ValidOrder,
    #[depends_on(reserve_inventory)] _reservation: Reservation,
    key: IdempotencyKey,
) -> Result<Payment, StepError> {
    match order.payment.token.as_str() {
        "tok_declined" => Err(StepError::permanent("PAYMENT_DECLINED", "the payment was declined")),
        "tok_gateway_down" => {
            Err(StepError::retryable("GATEWAY_DOWN", "the payment gateway does not answer"))
        }
        _ => Ok(Payment {
            payment_id: reference("PAY", &key),
            transaction_id: reference("TXN", &key),
            amount_charged: valid.order_total,
        }),
    }
}

/// Gives the money back, once, should the order fail later on.
#[step_handler(retry(max_attempts = 10, base = "1s", max = "5m"))]
#[compensates(process_payment)]
pub async fn refund_payment(#[depends_on(process_payment)] payment: Payment, key: IdempotencyKey) -> Refund {
    Refund {
        refund_id: reference("REF", &key),
        payment_id: payment.payment_id,
        amount_refunded: payment.amount_charged,
    }
}

/// Hands the parcel to a carrier.
///
/// # Errors
///
/// Permanent `ADDRESS_NOT_SERVED` where no carrier goes, which is Antarctica.
#[step_handler]
pub async fn ship_order(
    order: Order,
    #[depends_on(validate_order)] _valid: ValidOrder,
    #[depends_on(reserve_inventory)] _reservation: Reservation,
    #[depends_on(process_payment)] _payment: Payment,
    key: IdempotencyKey,
) -> Result<Shipment, StepError> {
    if !is_served(&order.shipping.address) {
        return Err(StepError::permanent("ADDRESS_NOT_SERVED", "no carrier goes to this address"));
    }
    let (carrier, days) = match order.shipping.method {
        ShippingMethod::Standard => ("USPS", 5),
        ShippingMethod::Express => ("UPS", 2),
        ShippingMethod::Overnight => ("FedEx", 1),
    };
    Ok(Shipment {
        shipment_id: reference("SHIP", &key),
        tracking_number: reference("TRK", &key),
        carrier: carrier.to_owned(),
        estimated_delivery: business_days_after(Timestamp::now().to_zoned(TimeZone::UTC).date(), days),
    })
}

/// Whether a carrier goes there: to the field `country`, or to what stands last in a text.
fn is_served(address: &Value) -> bool {
    let country = match address {
        Value::String(text) => text.rsplit([',', '\n']).next(),
        fields => fields.get("country").and_then(Value::as_str),
    };
    country.is_none_or(|country| !NOT_SERVED.contains(&country.trim()))
}

/// The day `days` days after `date`, Saturdays and Sundays not counted.
fn business_days_after(date: Date, days: usize) -> Date {
    let business_day = |day: &Date| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    date.series(1.day()).skip(1).filter(business_day).nth(days - 1).unwrap_or(Date::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::civil::date;
    use serde_json::{json, to_value};

    use super::*;

    fn context() -> Value {
        json!({
            "customer": {"id": 7, "name": "Ada", "email": "ada@example.com"},
            "items": [
                {"sku": "WIDGET-001", "quantity": 2, "price": 29.99},
                {"sku": "GADGET-002", "quantity": 1, "price": 0.1},
            ],
            "payment": {"method": "credit_card", "token": "tok_visa"},
            "shipping": {"method": "express", "address": {"city": "London"}},
        })
    }

    /// The order whose value at `pointer` is another one.
    fn order_with(pointer: &str, value: Value) -> Order {
        let mut context = context();
        *context.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value(context).unwrap()
    }

    fn order() -> Order {
        serde_json::from_value(context()).unwrap()
    }

    #[tokio::test]
    async fn valid_order_is_added_up_to_the_cent() {
        assert_eq!(
            to_value(validate_order(order()).await.unwrap()).unwrap(),
            json!({
                "validated_items": [
                    {"sku": "WIDGET-001", "product_name": "Premium Widget A", "quantity": 2,
                     "unit_price": 29.99, "line_total": 59.98},
                    {"sku": "GADGET-002", "product_name": "Standard Gadget C", "quantity": 1,
                     "unit_price": 0.1, "line_total": 0.1},
                ],
                "order_total": 60.08,
            })
        );
    }

    #[tokio::test]
    async fn wrong_orders_are_refused_each_with_its_code() {
        let widgets =
            |quantity: i64, price: f64| json!({"sku": "WIDGET-001", "quantity": quantity, "price": price});
        for (pointer, value, code) in [
            ("/customer/email", json!(null), "MISSING_CUSTOMER_EMAIL"),
            ("/customer/email", json!(" "), "MISSING_CUSTOMER_EMAIL"),
            ("/items", json!([]), "EMPTY_ORDER_ITEMS"),
            ("/items/1/quantity", json!(0), "INVALID_QUANTITY"),
            ("/items/1/quantity", json!(-1), "INVALID_QUANTITY"),
            ("/items/1/price", json!(-0.01), "INVALID_PRICE"),
            ("/items/1/sku", json!("GADGET-001"), "PRODUCT_NOT_FOUND"),
            ("/items", json!([widgets(1, 50_000.01)]), "ORDER_TOTAL_TOO_HIGH"),
            ("/items", json!([widgets(1, 50_000.0), widgets(1, 0.01)]), "ORDER_TOTAL_TOO_HIGH"),
            ("/items", json!([widgets(2, 90_071_992_547_409.0)]), "ORDER_TOTAL_TOO_HIGH"),
        ] {
            let error = validate_order(order_with(pointer, value.clone())).await.unwrap_err();
            assert_eq!((error.code(), error.is_retryable()), (code, false), "{pointer}: {value}");
        }
        validate_order(order_with("/items", json!([widgets(100, 500.0)]))).await.unwrap();
    }

    #[tokio::test]
    async fn more_than_the_stock_may_come_back_later() {
        let line = |quantity: i64| json!({"sku": "WIDGET-002", "quantity": quantity, "price": 1});
        validate_order(order_with("/items", json!([line(49), line(1)]))).await.unwrap();
        for items in [json!([line(51)]), json!([line(49), line(2)]), json!([line(i64::MAX)])] {
            let error = validate_order(order_with("/items", items)).await.unwrap_err();
            assert_eq!((error.code(), error.is_retryable()), ("INSUFFICIENT_STOCK", true));
        }
    }

    #[tokio::test]
    async fn repeated_attempt_makes_the_same_charge() {
        let valid = validate_order(order()).await.unwrap();
        let key = || IdempotencyKey::new("0197:process_payment");
        let reservation =
            reserve_inventory(valid.clone(), IdempotencyKey::new("0197:reserve_inventory")).await;
        let first = process_payment(order(), valid.clone(), reservation.clone(), key()).await.unwrap();
        let again = process_payment(order(), valid.clone(), reservation.clone(), key()).await.unwrap();
        assert_eq!(to_value(&first).unwrap(), to_value(&again).unwrap());
        assert_eq!(to_value(first.amount_charged).unwrap(), json!(60.08));
        assert!(first.payment_id.starts_with("PAY-"), "{first:?}");
        let other_task = IdempotencyKey::new("0198:process_payment");
        let other = process_payment(order(), valid, reservation, other_task).await.unwrap();
        assert_ne!(first.payment_id, other.payment_id);
    }

    #[tokio::test]
    async fn declined_is_final_and_a_gateway_that_is_down_is_not() {
        for (token, code, retryable) in
            [("tok_declined", "PAYMENT_DECLINED", false), ("tok_gateway_down", "GATEWAY_DOWN", true)]
        {
            let order = order_with("/payment/token", json!(token));
            let valid = validate_order(order.clone()).await.unwrap();
            let reservation = reserve_inventory(valid.clone(), IdempotencyKey::new("k")).await;
            let error =
                process_payment(order, valid, reservation, IdempotencyKey::new("k")).await.unwrap_err();
            assert_eq!((error.code(), error.is_retryable()), (code, retryable));
        }
    }

    #[tokio::test]
    async fn paid_order_is_reserved_for_15_minutes_and_shipped() {
        let valid = validate_order(order()).await.unwrap();
        let before = Timestamp::now();
        let reservation = reserve_inventory(valid.clone(), IdempotencyKey::new("k")).await;
        let after = Timestamp::now();
        let quarter = SignedDuration::from_mins(15);
        assert!((before + quarter..=after + quarter).contains(&reservation.expires_at));
        assert!(reservation.reservation_id.starts_with("RES-"));
        let payment = process_payment(order(), valid.clone(), reservation.clone(), IdempotencyKey::new("k"))
            .await
            .unwrap();
        let shipment =
            ship_order(order(), valid, reservation, payment, IdempotencyKey::new("k")).await.unwrap();
        assert!(shipment.shipment_id.starts_with("SHIP-"), "{shipment:?}");
        assert_eq!(shipment.carrier, "UPS");
        assert!(shipment.estimated_delivery > before.to_zoned(TimeZone::UTC).date());
    }

    #[test]
    fn carriers_go_everywhere_but_to_antarctica() {
        for (address, served) in [
            (json!({"city": "London"}), true),
            (json!({"city": "London", "country": "GB"}), true),
            (json!({"city": "McMurdo", "country": "AQ"}), false),
            (json!("1 Main Street"), true),
            (json!("1 Ice Road, McMurdo, Antarctica"), false),
            (json!("1 Antarctica Avenue, London"), true),
            (json!(null), true),
        ] {
            assert_eq!(is_served(&address), served, "{address}");
        }
    }

    #[tokio::test]
    async fn what_was_done_is_undone_to_the_piece_and_the_cent() {
        let valid = validate_order(order()).await.unwrap();
        let reservation = reserve_inventory(valid.clone(), IdempotencyKey::new("k")).await;
        let payment =
            process_payment(order(), valid, reservation.clone(), IdempotencyKey::new("k")).await.unwrap();
        let refund = refund_payment(payment.clone(), IdempotencyKey::new("0197:undo process_payment")).await;
        assert_eq!((refund.payment_id, refund.amount_refunded), (payment.payment_id, payment.amount_charged));
        assert!(refund.refund_id.starts_with("REF-"));
        let release = release_inventory(reservation.clone()).await;
        assert_eq!((release.reservation_id, release.released), (reservation.reservation_id, true));
    }

    #[test]
    fn delivery_counts_business_days_only() {
        let (thursday, friday, saturday) = (date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3));
        assert_eq!(business_days_after(thursday, 1), friday);
        assert_eq!(business_days_after(thursday, 2), date(2026, 1, 5));
        assert_eq!(business_days_after(friday, 5), date(2026, 1, 9));
        assert_eq!(business_days_after(saturday, 1), date(2026, 1, 5));
    }
}
