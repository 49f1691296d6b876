// The one version number: CMakeLists.txt reads it from here.
#pragma once

#define CLOZE_VERSION_MAJOR 0
#define CLOZE_VERSION_MINOR 1
#define CLOZE_VERSION_PATCH 0
