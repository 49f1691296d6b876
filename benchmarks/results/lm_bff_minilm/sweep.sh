# The sweep of benchmarks/results/lm_bff_minilm: $LM_BFF is the built example 080_lm_bff, $DATA the folder shared/data, $OUT where results go.
# Killed and repeated at will: finished runs are never repeated. One thread; the first turn of the loop has every task with one seed.
export OMP_NUM_THREADS=1
"$LM_BFF" run --data "$DATA/kshot" --model "$DATA/weights/minilm-mlm" --results "$OUT/reference_settings.jsonl" \
  --seeds 13 21 42 --task SST-2 mr subj --method zero-shot standard prompt \
  --batch 8 --lr 1e-4 --steps 250 --evaluate-every 100 --max-test 500
for seed in 13 21 42 87 100; do
  "$LM_BFF" run --data "$DATA/kshot" --model "$DATA/weights/minilm-mlm" \
    --results "$OUT/lm_bff_minilm.jsonl" --jobs 1 --seeds $seed \
    --task SST-2 sst-5 mr mpqa subj CoLA MNLI SNLI RTE MRPC QQP STS-B \
    --method majority zero-shot standard prompt prompt-demo \
    --batch 8 --lr 5e-5 --steps 150 --evaluate-every 50 --max-test 400 --draws 2 || break
done
