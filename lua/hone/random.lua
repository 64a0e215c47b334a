-- random: hone.random(seed, name), a stream that is a function of both:
-- uniform(), normal(), below(n) from 1 to n, shuffle(n).
return require("hone.core").random
