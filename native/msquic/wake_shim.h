#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// Between the two, msquic's workers are not woken by this thread; what it queued for them waits. They do not
// nest. Nothing that waits for a worker may be called in between. Where the linker has not put the shim in
// its place (Apple's cannot), workers are woken as ever.
void MillraceHoldWakes(void);
void MillraceReleaseWakes(void);

#ifdef __cplusplus
}
#endif
