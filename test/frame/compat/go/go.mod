module compat

go 1.19

require github.com/google/flatbuffers v25.9.23+incompatible
