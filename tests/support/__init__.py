"""What tests share: hosts, servers, samples, a clock."""
