"""Which station, when and how: what a repair needs, what rules stations out, one appointment or many."""
