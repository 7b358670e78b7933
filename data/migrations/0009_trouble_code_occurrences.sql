-- How often a control unit has seen the fault, where its protocol tells (J1939 DM1 and DM2).
ALTER TABLE trouble_codes ADD COLUMN occurrence_count smallint;
