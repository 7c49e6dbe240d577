#include "data/scene_phrases.h"

#include <array>
#include <vector>

#include "base/error.h"

namespace galago {
namespace {

using P = std::string_view;

constexpr P kHeads[] = {"there {is1}",      "I see",
                        "I can see",        "I spy",
                        "I found",          "we can see",
                        "we found",         "my picture has",
                        "this picture has", "the picture shows",
                        "my eyes find",     "you can see",
                        "you can find",     "somebody made",
                        "my page has",      "I notice",
                        "we look at",       "here {is1}"};

constexpr P kFacts[] = {
    "{np1} {verb1} {loc1}",      "{np1} {is1} {loc1}",         "{loc1} {verb1} {np1}",      "{loc1} there {is1} {np1}",
    "there {is1} {np1} {loc1}",  "I see {np1} {loc1}",         "I can see {np1} {loc1}",    "{loc1} I see {np1}",
    "{loc1} I can find {np1}",   "we can see {np1} {loc1}",    "you can find {np1} {loc1}", "{loc1} you can see {np1}",
    "my eyes find {np1} {loc1}", "I spy {np1} {loc1}",         "{loc1} we have {np1}",      "I found {np1} {loc1}",
    "just {loc1} {verb1} {np1}", "{np1} {verb1} there {loc1}", "someone put {np1} {loc1}",  "I point at {np1} {loc1}",
};

constexpr P kShortFacts[] = {"{np1} {loc1}", "{np1} {loc1}", "{loc1} {np1}", "{np1} {verb1} {loc1}",
                             "{np1} {is1} {loc1}"};

constexpr P kJoins[] = {" and ", ", and ", " while ", ", and then "};

constexpr P kRelationFacts[] = {
    "{np1} {verb1} {rel} {np2}",      "{np1} {is1} {rel} {np2}",     "there {is1} {np1} {rel} {np2}",
    "I see {np1} {rel} {np2}",        "{rel} {np2} {verb1} {np1}",   "{rel} {np2} there {is1} {np1}",
    "I can see {np1} {rel} {np2}",    "we found {np1} {rel} {np2}",  "my picture has {np1} {rel} {np2}",
    "{np1} {verb1} just {rel} {np2}", "{rel} {np2} I can see {np1}", "{rel} {np2} you find {np1}",
};

constexpr P kRelations[] = {
    "{the1} {is1} {rel} {the2}",
    "{the1} {verb1} {rel} {the2}",
    "I think {the1} like{s1} to be {rel} {the2}",
    "{rel} {the2} {verb1} {the1}",
    "you can see that {the1} {is1} {rel} {the2}",
    "if you look well, {the1} {is1} {rel} {the2}",
    "{the1} stay{s1} {rel} {the2} and do{es1} not move",
    "my finger finds {the1} {rel} {the2}",
    "I wonder why {the1} {is1} {rel} {the2}",
    "it is funny that {the1} {is1} {rel} {the2}",
};

constexpr P kColourTalk[] = {
    "{the1} {is1} {colour1}",
    "{the1} {is1} very {colour1}",
    "{the1} {is1} {colour1}, and I like that color",
    "I can tell that {the1} {is1} {colour1}",
    "{the1} {is1} {colour1} and so nice to see",
    "I like {the1} because {it1} {is1} {colour1}",
    "{the1} {is1} {colour1}, just as I would paint {it1o}",
    "if I had my paint box, I would use {colour1} for {the1}",
};

constexpr P kSizeTalk[] = {
    "{the1} {is1} {size1}",
    "{the1} look{s1} {size1} in this picture",
    "I think {the1} {is1} really {size1}",
    "{the1} {is1} so {size1} that I had to smile",
    "to me {the1} look{s1} {size1}",
};

constexpr P kOpenings[] = {
    "I am looking at {bg}",
    "this is {bg}",
    "here is {bg}",
    "my picture shows {bg}",
    "we are {in} today",
    "today we are {in}",
    "I want to tell you about {bg}",
    "in my picture there is {bg}",
    "this place is {bg}",
    "I like this picture of {bg}",
    "let me show you {bg}",
    "the story happens {in}",
    "it all happens {in}",
    "my little story starts {in}",
    "everything here is {in}",
};

constexpr P kShowings[] = {
    "this picture shows {bg} with {npl}",
    "I see {bg} with {npl}",
    "here is {bg} with {npl}",
    "this is {bg} with {npl}",
    "my picture has {bg} and {npl}",
    "I found {npl} {in}",
    "we can see {npl} {in}",
    "{in} there {isl} {npl}",
    "{in} I see {npl}",
    "{in} we found {npl}",
    "{in} you can see {npl}",
    "there {isl} {npl} {in}",
    "{in} I can see {npl}",
    "{npl} {isl} {in}",
};

constexpr P kClosings[] = {
    "I could watch this for a long time",
    "it makes me feel happy and warm inside",
    "I want to show this to my friends",
    "maybe something fun will happen soon",
    "I wish I could step right in",
    "this feels like a story before bedtime",
    "everything is quiet and nice",
    "I would like to stay here all day",
    "what will happen next",
    "I will dream about this tonight",
    "it makes me want to laugh and clap",
    "I want to draw it all by myself",
    "my mama would like this too",
    "I hope nobody has to go home yet",
    "it is my very best picture",
    "I want to hear more about it",
    "all of it makes me smile",
    "maybe there is a secret here",
    "it is like a tiny dream",
    "this is a good place to play",
    "I will remember this for a long time",
    "I think it is a little bit of magic",
    "I like to look at it again and again",
    "can we go there one day",
    "nobody is in a hurry here",
    "then I close my eyes and make up a story",
};

constexpr P kTails[] = {
    "I like it",
    "it makes me smile",
    "I want to go there",
    "it is so nice",
    "I feel happy",
    "it is my story",
    "all is quiet",
    "I wonder why",
    "it feels like a dream",
    "I want to play there",
    "I want to stay",
    "it is fun to see",
    "I could look all day",
    "that makes me laugh",
    "it is very quiet there",
    "I want to draw it",
    "nobody is in a hurry",
    "maybe they wait for me",
    "I will tell my mama",
    "it feels like magic",
};

constexpr P kTogether[] = {
    "maybe they are all good friends",
    "I think they have a party together",
    "perhaps they tell each other a story",
    "they look nice together",
    "maybe they will play a game with me",
    "I wonder how they all came here",
    "together they make a funny picture",
    "I would put them all in my room",
    "maybe they met here this morning",
    "I think they all wait for the same thing",
    "they do not mind being close together in my picture",
    "it is like a small family that I made up",
};

constexpr P kBig[] = {"big", "large", "great big", "big", "very big"};
constexpr P kSmall[] = {"small", "little", "tiny", "small", "little", "very small"};
constexpr P kPlain[] = {"nice", "lovely", "fine", "funny", "sweet", "pretty"};

// What a child thinks, by category.
constexpr P kAnimalThoughts[] = {"maybe {the1} want{s1} to play with me",
                                 "I think {the1} {is1} very friendly",
                                 "I would like to pet {the1}",
                                 "perhaps {the1} {is1} looking for a friend",
                                 "maybe {the1} {has1} a secret home",
                                 "I want to give {the1} a name",
                                 "I wonder what {the1} will do next",
                                 "maybe {the1} will tell me a story",
                                 "I think {the1} like{s1} to listen to me",
                                 "{the1} could come home with me",
                                 "I would share my snack with {the1}",
                                 "maybe {the1} had a good dream last night",
                                 "{the1} make{s1} me giggle",
                                 "I want to talk with {the1} in a soft voice"};
constexpr P kFoodThoughts[] = {"I would like a bite of {the1}",        "{the1} must taste so good",
                               "my tummy wants {the1} right now",      "maybe {the1} will be my snack",
                               "I would share {the1} with my friends", "I think {the1} smell{s1} very good",
                               "looking at {the1} makes me hungry",    "I hope nobody eats {the1} before me",
                               "maybe {the1} {is1} for a party",       "grown-ups say {the1} should wait until lunch",
                               "I want to put {the1} on my plate"};
constexpr P kVehicleThoughts[] = {"maybe {the1} will take me far away",
                                  "I want to ride along with {the1}",
                                  "{the1} could go very fast",
                                  "I can make the sound of {the1} with my mouth",
                                  "I wonder where {the1} will go next",
                                  "maybe {the1} came from a far place",
                                  "I think {the1} need{s1} a rest after a long trip",
                                  "when I grow up I want to drive {the1}",
                                  "I would wave at {the1} every morning",
                                  "{the1} could bring us all home"};
constexpr P kPlantThoughts[] = {"I would water {the1} every day",
                                "I want to sit near {the1}",
                                "maybe {the1} came from one little seed",
                                "I think {the1} like{s1} a bit of rain",
                                "I would like to smell {the1}",
                                "maybe {the1} will grow and grow",
                                "a soft wind could tickle {the1}",
                                "I want to touch {the1} with one finger",
                                "I could hide behind {the1}"};
constexpr P kWeatherThoughts[] = {"I want to reach up and touch {the1}",
                                  "maybe {the1} {is1} smiling down at me",
                                  "I wonder how far away {the1} {is1}",
                                  "I would like to fly up to {the1}",
                                  "maybe {the1} will come back tomorrow",
                                  "I could look at {the1} for hours",
                                  "{the1} would look good over my street at home",
                                  "maybe {the1} {has1} a song of {its1} own",
                                  "I want to wave at {the1}"};
constexpr P kToyThoughts[] = {"I want to play with {the1} all day",
                              "maybe {the1} belong{s1} to me",
                              "I would hug {the1} all night",
                              "I wish {the1} could be mine",
                              "I think {the1} {is1} so much fun",
                              "maybe somebody forgot {the1} here",
                              "I would share {the1} with my best friend",
                              "I could make up ten games with {the1}",
                              "I would carry {the1} all around",
                              "maybe {the1} can do a trick"};
constexpr P kThingThoughts[] = {"I wonder who left {the1} here",
                                "maybe somebody will need {the1} soon",
                                "I would like to hold {the1}",
                                "I think {the1} could be magic",
                                "maybe {the1} belong{s1} to my mama",
                                "we have something like {the1} at home",
                                "I want to know what {the1} can do",
                                "I would keep {the1} in a safe place",
                                "maybe {the1} {is1} lost",
                                "I could use {the1} in my game"};
constexpr P kPlaceThoughts[] = {"I wonder what is inside {the1}",       "maybe {the1} {has1} a secret room",
                                "I want to run all the way to {the1}",  "I would like to live near {the1}",
                                "I wish we could visit {the1} one day", "I want to build {the1} with my blocks",
                                "maybe a long story starts at {the1}",  "I would tell everybody about {the1}"};
constexpr P kPeopleThoughts[] = {"I want to say hello to {the1}",      "maybe {the1} will wave at me",
                                 "I think {the1} {is1} very nice",     "I wonder what {the1} {is1} thinking about",
                                 "maybe {the1} can tell me a story",   "I would like to play with {the1}",
                                 "{the1} could be my new best friend", "perhaps {the1} {has1} a secret to tell",
                                 "maybe {the1} know{s1} my name",      "I would share my snack with {the1}",
                                 "I think {the1} like{s1} to sing"};

// Grounds.
struct GroundRow {
  P id;
  std::vector<P> inside, noun, clause, surface;
};

std::vector<GroundRow> make_rows() {
  std::vector<GroundRow> rows = {
      {"Meadow",
       {"in a green meadow", "in a wide green field", "on a bright day in a green field", "out in the green meadow",
        "in a grassy place under the blue sky", "on a field of green grass"},
       {"a green meadow under a blue sky", "a green field with a blue sky", "soft green grass and a blue sky",
        "a wide meadow with green grass"},
       {"the grass is soft and green", "green grass is all around", "the sky is blue over the green grass",
        "the meadow is wide and green", "the blue sky is above the grass", "the green grass goes on and on"},
       {"on the grass", "on the green grass", "in the grass", "on the meadow"}},
      {"Sea",
       {"out on the blue sea", "at the wide blue sea", "on a bright day at sea", "out on the blue water",
        "on the wide sea under the sky"},
       {"the wide blue sea", "the blue sea under a bright sky", "blue water with little waves",
        "a blue sea with small waves"},
       {"the sea is wide and blue", "little waves are on the blue water", "the blue water goes on and on",
        "the sky is bright over the sea", "the blue sea is full of small waves"},
       {"in the water", "in the blue water", "in the sea"}},
      {"Beach",
       {"on a sandy beach", "at the beach", "on the warm sand by the sea", "on a bright day at the beach",
        "on the yellow sand near the water"},
       {"a sandy beach near the blue sea", "a beach with warm sand", "a sandy beach under a blue sky",
        "yellow sand and a bit of blue sea"},
       {"the sand is soft and warm", "the blue sea is far behind the sand", "the beach is full of soft sand",
        "behind the sand is the blue sea", "the sky is blue over the beach"},
       {"on the sand", "on the warm sand", "on the beach", "in the sand"}},
      {"Night",
       {"in the dark night", "on a dark hill at night", "late at night", "under the dark night sky",
        "at night when it is dark"},
       {"a dark hill at night", "a quiet night with a dark sky", "a dark night sky over a hill",
        "a dark and quiet night"},
       {"the night is dark and quiet", "the sky is dark blue because it is night", "it is night and the hill is dark",
        "the dark sky is over the hill", "it is late and the sky is dark"},
       {"on the dark hill", "on the hill", "on the dark grass", "on the dark ground"}},
      {"Snow",
       {"in the white snow", "on a cold day in the snow", "in a snowy field", "out in the cold snow",
        "on a field of white snow"},
       {"a snowy field on a cold day", "a field full of white snow", "white snow under a pale sky",
        "a cold snowy place"},
       {"the snow is white and cold", "white snow is all around", "the cold snow covers the ground",
        "the whole field is white with snow", "the sky is pale over the snow"},
       {"on the snow", "in the snow", "on the white snow", "in the cold snow"}},
      {"Evening",
       {"in the evening under an orange sky", "on a brown hill in the evening", "at the end of the day",
        "on a warm evening", "under the orange evening sky"},
       {"a brown hill under an orange sky", "a warm evening with an orange sky",
        "an orange evening sky over a brown hill", "a brown field in the evening"},
       {"the evening sky is orange", "the day ends and the sky is orange", "the ground is brown and the sky is orange",
        "the warm orange sky is over the hill", "it is evening and the sky is orange"},
       {"on the brown hill", "on the brown ground", "on the hill", "on the ground"}},
      {"Street",
       {"on a gray street", "in the street", "out on the gray road", "on a quiet gray road", "in a quiet street"},
       {"a gray road under a blue sky", "a quiet street with a white line", "a gray street", "a long gray road"},
       {"the road is gray and long", "the street is gray and quiet", "the gray road has a white line",
        "a white line runs along the gray road", "the sky is blue over the street"},
       {"on the road", "on the gray road", "on the street", "in the street"}},
      {"Room",
       {"in a cozy room", "inside a room", "at home in a room", "in a room with a wooden floor", "in a quiet room"},
       {"a cozy room with a wooden floor", "a room with a brown floor", "a quiet room at home",
        "a room with a wooden floor"},
       {"the floor is made of brown wood", "the room is warm and quiet", "the wooden floor is brown",
        "the room has a brown floor and a wall", "behind is the wall of the room"},
       {"on the floor", "on the wooden floor", "on the brown floor"}},
      {"Table",
       {"on a wooden table", "on a brown table", "on the big table at home", "on our brown table",
        "on a table made of wood"},
       {"a brown wooden table", "a table made of brown wood", "a wooden table in front of a wall",
        "our brown table at home"},
       {"the table is made of brown wood", "the wooden table is brown", "behind the table is a wall",
        "the brown table is clean", "the table stands near the wall"},
       {"on the table", "on the brown table", "on the wooden table"}},
      {"DeepSea",
       {"deep under the water", "under the sea", "deep down in the blue sea", "far under the blue water",
        "under water"},
       {"the deep blue sea", "a place deep under the water", "the blue water under the waves",
        "the deep sea with sand below"},
       {"the deep water is blue all around", "the blue water is deep and quiet",
        "soft light shines into the deep water", "the sand is far down under the water", "blue water is everywhere"},
       {"on the sea floor", "deep in the water", "on the sand under water"}},
  };
  return rows;
}

// A plain ground says its colour; the same sentences for all of them.
struct PlainText {
  std::vector<std::string> inside, noun, clause, surface;
};

PlainText plain_text(P colour) {
  std::string c(colour), an = colour == "orange" ? "an " : "a ";
  return {{"on " + an + c + " ground", "on a plain " + c + " page", "in front of " + an + c + " wall",
           "on plain " + c + " paper", "on " + an + c + " page"},
          {an + c + " page", "a plain " + c + " page", an + c + " wall", an + c + " paper", "a plain " + c + " wall"},
          {"everything behind is " + c, "all the rest is plain " + c, "the page is " + c + " all over",
           "behind it all is just " + c, "there is only " + c + " all around", "the ground is plain " + c},
          {"on the " + c + " ground"}};
}

struct Ground {
  GroundPhrases view;
  std::vector<P> inside, noun, clause, surface;
  PlainText own;  // keeps the text of plain grounds alive
};

std::vector<P> views(const std::vector<std::string>& list) { return {list.begin(), list.end()}; }

std::vector<Ground> make_grounds() {
  auto rows = make_rows();
  std::vector<Ground> grounds(scene_backgrounds().size());
  for (size_t i = 0; i < grounds.size(); ++i) {
    const Background& b = scene_backgrounds()[i];
    Ground& g = grounds[i];
    if (b.plain()) {
      g.own = plain_text(colour_word(b.colour));
      g.inside = views(g.own.inside), g.noun = views(g.own.noun);
      g.clause = views(g.own.clause), g.surface = views(g.own.surface);
    }
    for (const GroundRow& row : rows) {
      if (row.id == b.id) g.inside = row.inside, g.noun = row.noun, g.clause = row.clause, g.surface = row.surface;
    }
    CHECK(!g.noun.empty(), "no phrases for the ground {}", b.id);
    g.view = {b.id, g.inside, g.noun, g.clause, g.surface};
  }
  return grounds;
}

constexpr P kFlies[] = {"flies|fly", "is flying|are flying", "soars|soar"};
constexpr P kHangs[] = {"hangs|hang", "floats|float", "is|are", "stays|stay"};
constexpr P kShines[] = {"shines|shine", "hangs|hang", "glows|glow"};
constexpr P kSwims[] = {"swims|swim", "is swimming|are swimming", "floats|float"};
constexpr P kSails[] = {"floats|float", "sails|sail", "rocks|rock"};
constexpr P kStands[] = {"stands|stand", "waits|wait", "is standing|are standing", "rests|rest", "stays|stay"};
constexpr P kRests[] = {"sits|sit", "rests|rest", "waits|wait", "stays|stay", "is|are"};
constexpr P kSmiles[] = {"stands|stand", "waits|wait", "is waiting|are waiting", "stays|stay"};
constexpr P kParks[] = {"is parked|are parked", "stands|stand", "waits|wait", "stops|stop"};
constexpr P kGrows[] = {"stands|stand", "grows|grow", "is growing|are growing"};
constexpr P kLies[] = {"lies|lie", "sits|sit", "rests|rest", "is lying|are lying", "waits|wait"};
constexpr P kStays[] = {"is|are", "waits|wait", "stays|stay", "sits|sit"};
constexpr P kBuilt[] = {"stands|stand", "is standing|are standing", "is|are"};

}  // namespace

const GroundPhrases& ground_phrases(int background) {
  static const std::vector<Ground> grounds = make_grounds();
  return grounds[static_cast<size_t>(background)].view;
}

Phrases verbs_for(const Kind& kind, Zone zone, const Background& ground) {
  bool shines = kind.singular == "sun" || kind.singular == "moon" || kind.singular == "star";
  if (kind.home == Home::Sky && kind.category == Category::Weather) return shines ? Phrases(kShines) : Phrases(kHangs);
  if (zone == Zone::Sky)
    return kind.category == Category::Toy || kind.category == Category::People ? Phrases(kHangs) : Phrases(kFlies);
  if (zone == Zone::Water) return kind.category == Category::Vehicle ? Phrases(kSails) : Phrases(kSwims);
  if (zone == Zone::Plain || ground.painter == Painter::Depth) return kStays;
  switch (kind.category) {
    case Category::Animal:
      return kRests;
    case Category::People:
      return kSmiles;
    case Category::Vehicle:
      return kParks;
    case Category::Plant:
      return ground.painter == Painter::Field || ground.painter == Painter::Hill ? Phrases(kGrows) : Phrases(kStands);
    case Category::Place:
      return kBuilt;
    case Category::Weather:
      return kStays;
    default:
      return kLies;
  }
}

Phrases thoughts_for(Category category) {
  switch (category) {
    case Category::Animal:
      return kAnimalThoughts;
    case Category::Food:
      return kFoodThoughts;
    case Category::Vehicle:
      return kVehicleThoughts;
    case Category::Plant:
      return kPlantThoughts;
    case Category::Weather:
      return kWeatherThoughts;
    case Category::Toy:
      return kToyThoughts;
    case Category::Thing:
      return kThingThoughts;
    case Category::Place:
      return kPlaceThoughts;
    case Category::People:
      return kPeopleThoughts;
  }
  return {};
}

Phrases phrases(PhraseList list) {
  switch (list) {
    case PhraseList::Heads:
      return kHeads;
    case PhraseList::Facts:
      return kFacts;
    case PhraseList::ShortFacts:
      return kShortFacts;
    case PhraseList::Joins:
      return kJoins;
    case PhraseList::RelationFacts:
      return kRelationFacts;
    case PhraseList::Relations:
      return kRelations;
    case PhraseList::Colours:
      return kColourTalk;
    case PhraseList::Sizes:
      return kSizeTalk;
    case PhraseList::Openings:
      return kOpenings;
    case PhraseList::Showings:
      return kShowings;
    case PhraseList::Closings:
      return kClosings;
    case PhraseList::Tails:
      return kTails;
    case PhraseList::Together:
      return kTogether;
    case PhraseList::BigWords:
      return kBig;
    case PhraseList::SmallWords:
      return kSmall;
    case PhraseList::PlainWords:
      return kPlain;
  }
  return {};
}

}  // namespace galago
