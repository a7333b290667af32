//! Every fault with every kind of order.
