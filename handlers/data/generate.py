#!/usr/bin/env python3
"""Writes products.csv: 1,000 products, varied but the same at every run.

    python3 handlers/data/generate.py

Titles and descriptions hold commas, quotes and line breaks now and then, as real exports do.
"""
import csv
import pathlib
import random

COLUMNS = ["id", "title", "description", "category", "price", "discountPercentage", "rating", "stock",
           "brand", "sku", "weight"]
CATEGORIES = ["beauty", "fragrances", "furniture", "groceries", "home-decoration", "kitchen-accessories",
              "laptops", "sports, outdoor"]
BRANDS = ["Acme", "Nordlicht", "Smith & Sons", "Ünal", "O'Hara", ""]
THINGS = ["Lamp", "Desk", "Perfume", "Mascara", "Rice", "Notebook", "Tent", "Kettle", "Vase", "Ball"]
ADJECTIVES = ["Classic", "Compact", "Deluxe", "Ultra", "Plain", "Grand"]


def product(number, dice):
    title = f"{dice.choice(ADJECTIVES)} {dice.choice(THINGS)} {number}"
    description = "A product that does what it should."
    match number % 10:
        case 3:
            title = f'{title}, 24" wide'
        case 5:
            description = "First line,\nsecond line: \"quoted\", with commas."
        case 7:
            description = "Comma, after comma, after comma."
    return [number, title, description, dice.choice(CATEGORIES), f"{dice.randint(99, 249_999) / 100:.2f}",
            f"{dice.randint(0, 3_000) / 100:.2f}", f"{dice.randint(100, 500) / 100:.2f}", dice.randint(0, 400),
            dice.choice(BRANDS), f"SKU-{dice.randint(0, 0xFFFFFF):06X}-{number}", dice.randint(1, 60)]


def main():
    dice = random.Random(20)
    path = pathlib.Path(__file__).with_name("products.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(product(number, dice) for number in range(1, 1001))


if __name__ == "__main__":
    main()
