/*
 * The limits of everything that a model file or a caller can make the engine do, each with its
 * reason. A limit is enforced where the thing enters.
 */
#pragma once

/* ---- GGUF files ---- */

/* Real files have 20 to 60 keys; every key costs one index entry before anything is believed. */
#define GGUF_MAX_KEYS 65536
/* The largest mixtures of experts have some 60000 tensors when the experts are not fused. */
#define GGUF_MAX_TENSORS 131072
/* The specification allows 65535 bytes; real keys have fewer than 80, and reasons quote them. */
#define GGUF_MAX_KEY_SIZE 1024
/* ggml itself stops at 63; some builds raise it to 127. */
#define GGUF_MAX_NAME_SIZE 127
#define GGUF_MAX_DIMS 4
/* Keeps every product of dimensions and sizes far from 2^63: 1 Ti weights in one tensor. */
#define GGUF_MAX_ELEMENTS (1ULL << 40)
/* Chat templates and licenses have kilobytes; nothing has a reason to pass this. */
#define GGUF_MAX_STRING_SIZE (16ULL << 20)
/* Merges are the longest arrays: 514906 in the largest known tokenizer. */
#define GGUF_MAX_ARRAY_ELEMENTS (16ULL << 20)
/* Real files use 32 and at times the size of a page; past this, padding is the attack. */
#define GGUF_MAX_ALIGNMENT (1U << 20)

/* A model split over files: hubs split at 50 GB, some tools at 2; each takes a descriptor. */
#define GGUF_MAX_PARTS 256

/* ---- Tokenizers ---- */

/* Token ids are kept in tables; the largest known vocabulary has 262144 entries. */
#define TOKENIZER_MAX_TOKENS (1U << 20)
#define TOKENIZER_MAX_MERGES (4U << 20)
/* All token texts together: offsets into them are 32 bits wide. Real ones have 1 to 3 MB. */
#define TOKENIZER_MAX_TEXT (256U << 20)
/* One token's text. The longest real ones are runs of some hundred spaces. */
#define TOKENIZER_MAX_TOKEN_SIZE 4096
/* A crafted vocabulary whose texts share one hash would make loading quadratic; honest ones stay
 * below a hundred probes. */
#define TOKENIZER_MAX_PROBES 4096
/* Text for one call, after the longest context there is. A text that is one single word needs
 * about 60 times its size while it is tokenised. */
#define TOKENIZER_MAX_INPUT (16U << 20)

/* ---- Sampling ---- */

/* The window of the penalties is a ring of this many tokens; no context is longer. */
#define SAMPLER_MAX_WINDOW (1U << 20)

/* ---- Grammars ---- */

/* GBNF text. The grammar of a large JSON schema has some hundred kilobytes. */
#define GRAMMAR_MAX_SIZE (2U << 20)
/* Groups in groups: the parser recurses. */
#define GRAMMAR_MAX_NESTING 128
#define GRAMMAR_MAX_NAME_SIZE 256
#define GRAMMAR_MAX_RULES 65536
/* {m,n}: each repetition is written out, as an instruction or two. */
#define GRAMMAR_MAX_REPETITIONS 65536
/* Eight bytes each, and as much again for what follows from them. */
#define GRAMMAR_MAX_INSTRUCTIONS (1U << 19)
/* What can come next, over all places of a grammar. It grows with the square of alternatives that
 * may all be left out one after the other, as in (a?){1000}. */
#define GRAMMAR_MAX_EDGES (2U << 20)
/* States of the automaton that reads the bytes of a character; a row of at most 512 bytes each.
 * A character class has one for each of its first bytes with a range of its own. */
#define GRAMMAR_MAX_CHAR_STATES 16384
/* Token names: <text>, <[id]>. */
#define GRAMMAR_MAX_TOKENS 4096
/* Ways in which a text can be read so far. JSON has one or two; a grammar that has thousands is
 * ambiguous beyond use. */
#define CONSTRAINT_MAX_READINGS 4096
/* States of one constraint and its clones, in bytes; they are found again while there is room. */
#define CONSTRAINT_MAX_STATE_BYTES (16U << 20)
/* The masks kept of them: 512 of 16 KiB, for a vocabulary of 128k tokens. */
#define CONSTRAINT_MAX_MASK_BYTES (8U << 20)
/* Work for one mask, in readings followed over one byte: a second or two. */
#define CONSTRAINT_MAX_WORK (64U << 20)

/* ---- Chat ---- */

/* Messages of one conversation. */
#define CHAT_MAX_MESSAGES 65536
/* A rendered prompt, all pieces together: no context holds more text than the tokenizer takes. */
#define CHAT_MAX_SIZE (16U << 20)

/* A template's text: the largest real ones have 40 KB, with all that they say about tools. */
#define TEMPLATE_MAX_SIZE (1U << 20)
/* Its words and the nodes of its tree, some 50 and 200 bytes each; large real ones have 8000. */
#define TEMPLATE_MAX_TOKENS (1U << 17)
#define TEMPLATE_MAX_NODES (1U << 16)
/* Memory of a parsed template: all of the above together. */
#define TEMPLATE_MAX_TREE (32U << 20)
/* Blocks in blocks and brackets in brackets; a level takes up to 1.5 KB of stack. Real ones have
 * some 10. */
#define TEMPLATE_MAX_NESTING 100
/* The same while it runs, with macros that call each other; up to 1 KB of stack each. */
#define TEMPLATE_MAX_DEPTH 1000
/* Lists in lists: what walks through values recurses. JSON from outside has at most 64. */
#define TEMPLATE_MAX_VALUE_DEPTH 200
/* Numbers in a range; jinja2's sandbox has the same. */
#define TEMPLATE_MAX_RANGE 100000
/* Nodes evaluated, and bytes copied counted at their cost: a second or two. A conversation of 100
 * messages takes some 20000. */
#define TEMPLATE_MAX_WORK (1ULL << 26)
/* Memory of a rendering: the largest prompt with its marks, some times over. */
#define TEMPLATE_MAX_MEMORY (256U << 20)

/* ---- Models ---- */

/* Hyper-parameters size everything that follows; the largest known models have 126 layers, 16384
 * dimensions, 53248 in the feed-forward network and 128 heads. */
#define MODEL_MAX_LAYERS 1024
#define MODEL_MAX_WIDTH (1U << 20)
#define MODEL_MAX_HEADS 1024
#define MODEL_MAX_HEAD_SIZE 4096
/* Positions are 32-bit numbers and the KV pages of a sequence are indexed by an array. */
#define MODEL_MAX_CONTEXT (1U << 24)
/* Keys and values are kept as floats where all that one sequence of the full trained length has of
 * them stays below this: small models gain exactness for memory that nobody misses. For larger ones
 * the cache is what limits how many sequences fit, and reading it what limits a step. */
#define MODEL_MAX_F32_KV (64ULL << 20)
/* States a channel and taps of the convolution of a state-space model; real ones have 16 to 256 and
 * 4. */
#define SSM_MAX_STATE 65536
#define SSM_MAX_TAPS 1024
/* Floats of one sequence's state; Mamba-Codestral 7B has 69 millions, RWKV-7 13B 16 millions. */
#define RECURRENT_MAX_FLOATS (1ULL << 30)
/* Two requests (a matrix and its scale) for each of the tensors that a layer can have. */
#define MODEL_MAX_WEIGHTS (MODEL_MAX_LAYERS * 40)

/* ---- Steps ---- */

/* Buffers for a step are allocated when a model is opened: some 20 widths of floats a token. */
#define STEP_MAX_TOKENS 8192
/* More threads than this are a mistake in a configuration file. */
#define POOL_MAX_THREADS 512
