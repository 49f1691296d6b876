# Continued masked-LM training of the bundled model, in two runs; killed and repeated, each goes on to the same bits.
# $PRETRAIN is the built example 070_pretrain, $START a copy of models/minilm-mlm-en as it was before, $ANCESTOR the folder of minilm-mlm,
# $CORPORA the folder of the corpora (NAME.txt.xz, heldout/NAME.txt), $WORK where checkpoints and models go.
arguments=(--heldout-tokens 8192 --sequence 128 --single-lines 0.4 --shuffle 8192 --mask-rate 0.2 --tokens-per-step 4096 --tokens-per-pass 4096
  --decay linear --weight-decay 0.01 --clip 1 --checkpoint-minutes 5 --evaluate-minutes 20 --log-every 20 --precision bf16 --threads 1)
for entry in wikipedia_en:0.30 imdb_reviews:0.28 books_gutenberg:0.12 yelp_sentences:0.10 product_reviews_blitzer:0.08 movie_reviews_polarity2:0.07 \
  speech_masc_sotu_swbd_web:0.05; do
  name=${entry%:*}
  arguments+=(--corpus "$name=$CORPORA/$name.txt.xz:${entry#*:}" --heldout "$name=$CORPORA/heldout/$name.txt")
done
# The first 542 of the steps went by --lr 5e-4, the first 966 by --tokens 22000000: see README.md.
"$PRETRAIN" --model "$START" --run "$WORK/first" "${arguments[@]}" --tokens 19300000 --lr 2.8e-4 --warmup 200
# "subjective" takes the place of "cousins" (scripts/choose_vocabulary), and all weights settle.
python3 "$(dirname "$0")/add_entries.py" "$WORK/first/model" "$ANCESTOR" models/minilm-mlm-en/vocab.txt "$WORK/with_entries"
"$PRETRAIN" --model "$WORK/with_entries" --run "$WORK/second" "${arguments[@]}" --tokens 2000000 --lr 1e-4 --warmup 50 --seed 2
# Half way between: why, see README.md.
python3 "$(dirname "$0")/average.py" "$WORK/second/model" "$ANCESTOR" "$WORK/average"
scripts/make_default_model "$WORK/average" models/minilm-mlm-en
