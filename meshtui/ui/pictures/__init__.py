"""Pictures: each module lays one out, as a pure function of data and size. ``meshtui.ui.widgets.picture`` draws them."""
