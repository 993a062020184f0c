"""The checker, checked: judgement, load, sink, and bugs planted in a copy of the product that it must see."""
