"""Tables: files → data frames (`reading`), any frame → columns (`frames`), columns → one matrix (`encoder`)."""
