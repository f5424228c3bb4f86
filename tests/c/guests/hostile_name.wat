;; hostile_name.wat: function names are the guest's: this one tries to forge a log line.
(module
  (func $"x\0aerror: all is \"well\"\1b[31m" (export "go") (unreachable)))
