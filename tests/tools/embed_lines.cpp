// Embeds the lines of a text file: for scripts/check_embeddings.py.
//
//   embed_lines ENCODER_FOLDER TEXT_FILE OUT.safetensors
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include <cloze/io/safetensors_writer.hpp>
#include <cloze/methods/sentence_embedder.hpp>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: embed_lines ENCODER_FOLDER TEXT_FILE OUT.safetensors\n", stderr);
    return 2;
  }
  try {
    std::vector<std::string> lines;
    std::ifstream file(argv[2]);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    const auto vectors = cloze::SentenceEmbedder<float>::from_pretrained(argv[1]).embed(lines);
    cloze::SafetensorsWriter writer;
    writer.add("embeddings", vectors);
    writer.write(argv[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
