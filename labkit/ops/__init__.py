"""What runs the lab and checks it: services, set-up, doctor, ledger. The data path never imports it."""
