-- Accounts are kept for 400 days, enough for a year's invoices. The first entry of a day and caller forgets older ones.
CREATE TRIGGER spending_of_a_new_day AFTER INSERT ON spending
BEGIN
    DELETE FROM spending WHERE day < NEW.day - 400;
END;
