-- Pieces that did not come may be fewer than the orders left without them had been promised.
ALTER TABLE part_arrivals DROP CONSTRAINT part_arrivals_never_oversold;
ALTER TABLE part_arrivals ADD CONSTRAINT part_arrivals_never_oversold
    CHECK (reserved <= qty OR state = 'cancelled');
