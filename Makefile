# Aliases; the work is in script/ and meson.build.
.PHONY: all run check check-full bench bench-beside asan tsan mutants fuzz format clean

all:
	script/install build
	script/build
run:
	script/demo
check:
	script/test
check-full: # the thirteen scenarios at full size, five times each: twenty minutes, and 37 GB of disk
	script/check-full
bench:
	script/install build bench
	script/venv
	script/build
	tests/bench/run
bench-beside: # make bench-beside OLD=FOLDER: the same figures of an older build and of this one, in turn; a quarter of an hour
	script/build
	.venv/bin/python tests/bench/bench_beside.py $(OLD) build
asan: # every C test under AddressSanitizer and UndefinedBehaviorSanitizer
	script/install build
	script/build build-asan -Db_sanitize=address,undefined -Db_lundef=false
	meson test -C build-asan --no-rebuild --print-errorlogs --timeout-multiplier 5
tsan: # and under ThreadSanitizer
	script/install build
	script/build build-tsan -Db_sanitize=thread -Db_lundef=false
	meson test -C build-tsan --no-rebuild --print-errorlogs --timeout-multiplier 5
mutants: # forty and more deliberate breakages: which of them do the tests find
	script/install build
	tests/mutants/run
fuzz: # each parser under libFuzzer for a minute
	script/install build fuzz
	CC=clang script/build build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
	set -e; for target in build-fuzz/tests/fuzz/fuzz_*; do case $$target in *.p) ;; *) \
		mkdir -p build-fuzz/corpus/$${target##*/fuzz_}; \
		$$target -max_total_time=60 build-fuzz/corpus/$${target##*/fuzz_} tests/fuzz/corpus/$${target##*/fuzz_};; esac; done
format:
	git ls-files '*.c' '*.h' | xargs clang-format -i
clean:
	rm -rf build build-* .venv tests/clients/node_modules
